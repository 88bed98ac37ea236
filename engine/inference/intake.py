"""From a request to a sequence: its tokens, its sampler, its labels. Knows the model's vocabulary and no KV cache."""

from collections import OrderedDict

from engine.inference.errors import RequestFailed
from engine.inference.grammar import grammar_of
from engine.inference.labels import LabelTree
from engine.inference.llama import LlamaError
from engine.inference.lookup import Habit, Lookup
from engine.inference.model import Model
from engine.inference.sampler import Sampler
from engine.inference.sequence import Generation, Scoring, Sequence, Skimming, Warming
from engine.inference.template import ChatTemplate
from engine.inference.text import TextStream
from engine.inference.wire import (
    ChatMessage,
    Choices,
    FailureCode,
    JsonSchema,
    Prompt,
    Request,
    Role,
    StatesOnly,
)

_MAX_HABITS = 256
_MAX_PATH_TOKENS = (
    256  # what of a label is scored in one step; more than that in common have only labels of no use
)
_ANY_QUESTION = ChatMessage(Role.USER, "?")


class Intake:
    def __init__(
        self, model: Model, template: ChatTemplate, *, slot_tokens: int, is_drafting: bool = True
    ) -> None:
        """`slot_tokens` is what one sequence may hold, prompt and completion together."""
        self._model, self._template, self._slot_tokens = model, template, slot_tokens
        self._is_drafting = is_drafting and model.is_rewindable
        self._habits: OrderedDict[int, Habit] = OrderedDict()

    def sequence(self, id: int, request: Request) -> Sequence:  # noqa: A002 - the field's word
        """The request with everything that computing it needs.

        Raises:
            RequestFailed: it cannot be served; the reason is for the person or for whoever wrote the skill.
        """
        try:
            if isinstance(request.constraint, Choices):
                return self._scoring(id, request, request.constraint)
            if isinstance(request.constraint, StatesOnly):
                return self._skimming(id, request, request.constraint)
            return self._generation(id, request, request.constraint)
        except (LlamaError, ValueError) as error:
            raise RequestFailed(FailureCode.BAD_CONSTRAINT, str(error)) from error

    def warming(self, id: int, fixed: tuple[ChatMessage, ...]) -> Sequence:  # noqa: A002 - the field's word
        """The prefix exactly as the prompts of requests begin with it."""
        prompt = Prompt(fixed, (), _ANY_QUESTION)
        fitted = self._template.fit(prompt, max_tokens=self._slot_tokens - 1)
        return Sequence(id, fitted.only_fixed, Warming(), is_background=True)

    def _skimming(self, id: int, request: Request, wanted: StatesOnly) -> Sequence:  # noqa: A002 - the field's word
        fitted = self._template.fit(request.prompt, max_tokens=self._slot_tokens)
        return Sequence(id, fitted, Skimming(max(1, wanted.num_states)), request.scope, request.is_background)

    def _generation(
        self,
        id: int,  # noqa: A002 - the field's word
        request: Request,
        constraint: Choices | JsonSchema | None,
    ) -> Sequence:
        max_tokens = max(1, min(request.sampling.max_tokens, self._slot_tokens // 2))
        fitted = self._template.fit(request.prompt, max_tokens=self._slot_tokens - max_tokens)
        grammar = None if constraint is None else grammar_of(constraint)
        sampler = Sampler(self._model, request.sampling, grammar)
        task = Generation(sampler, TextStream(request.sampling.stop), max_tokens)
        sequence = Sequence(id, fitted, task, request.scope, request.is_background)
        if self._is_drafting:
            task.lookup = Lookup(self._habit(sequence.fixed_key))
        return sequence

    def _scoring(self, id: int, request: Request, choices: Choices) -> Sequence:  # noqa: A002 - the field's word
        labels = choices.labels
        tree = LabelTree([self._label(label) for label in labels], self._model.end_token)
        longest = max(map(len, tree.paths), default=0)
        if longest > _MAX_PATH_TOKENS or (longest and not self._model.is_rewindable):
            return self._generation(
                id, request, choices
            )  # no step has room for it, or the second path could not be begun
        fitted = self._template.fit(request.prompt, max_tokens=self._slot_tokens - longest)
        task = Scoring(labels, tree, list(tree.paths))
        return Sequence(id, fitted, task, request.scope, request.is_background)

    def _label(self, label: str) -> tuple[int, ...]:
        tokens = tuple(self._template.plain_tokens(label))
        if not tokens:
            raise ValueError(f"the model has no tokens for the choice {label!r}")
        return tokens

    def _habit(self, key: int) -> Habit:
        """What was learned of the skill with this prefix; the oldest is forgotten."""
        habit = self._habits.setdefault(key, Habit())
        self._habits.move_to_end(key)
        if len(self._habits) > _MAX_HABITS:
            self._habits.popitem(last=False)
        return habit
