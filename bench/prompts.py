"""What people ask in the benchmark: skills of a wanted length, messages, and their tokens. Knows no system."""

import random
from pathlib import Path

from bench.system import Ask, Way
from engine.inference import ChatMessage, Prompt, Role
from engine.inference.model import Model
from engine.inference.template import ChatTemplate

_SYSTEM_TEXT = "You tell long stories. Each story has at least forty sentences and never ends early."
_ADJECTIVES = [
    "old",
    "small",
    "quiet",
    "bright",
    "green",
    "heavy",
    "clever",
    "broken",
    "sudden",
    "narrow",
    "patient",
    "golden",
    "hollow",
    "early",
    "careful",
    "strange",
]
_NOUNS = [
    "lamp",
    "river",
    "printer",
    "garden",
    "captain",
    "window",
    "letter",
    "engine",
    "forest",
    "baker",
    "ticket",
    "market",
    "bridge",
    "teacher",
    "cloud",
    "camera",
    "harbour",
    "violin",
    "server",
    "kitchen",
    "mountain",
    "pencil",
    "station",
    "island",
    "report",
    "doctor",
    "budget",
    "meeting",
    "keyboard",
    "train",
]
_VERBS = [
    "follows",
    "repairs",
    "watches",
    "paints",
    "carries",
    "answers",
    "finds",
    "forgets",
    "visits",
    "measures",
    "opens",
    "praises",
    "draws",
    "moves",
]
_ENDINGS = (
    "before noon",
    "in the rain",
    "without a word",
    "for the third time",
    "next to the gate",
    "on Monday",
    "after the call",
    "all night",
)
_MAX_PROMPT_TOKENS = 1 << 20
_REPEAT_PENALTY = 1.3  # greedy text of random weights would otherwise run in a circle


class Prompts:
    """Draws words at random: the same ones after the same `draw_anew`."""

    def __init__(self, model: Path) -> None:
        self._model = Model(model, gpu_layers=0)
        self._template = ChatTemplate(self._model.chat_template, self._model)
        self._random = random.Random()

    def draw_anew(self, *seeds: object) -> random.Random:
        """Every round has its own words, drawn from its name. Returns what else may be drawn from."""
        self._random = random.Random(repr(seeds))
        return self._random

    def skill(self, num_tokens: int) -> tuple[ChatMessage, ...]:
        """A new skill whose fixed part has `num_tokens`, give or take a word."""
        low, high = 1, num_tokens
        sentences = [self._sentence() for _ in range(num_tokens // 4)]
        while low < high:
            middle = (low + high) // 2
            if self.num_fixed_tokens(_skill(sentences[:middle])) < num_tokens:
                low = middle + 1
            else:
                high = middle
        return _skill(sentences[:low])

    def message(self) -> str:
        """About 30 tokens that ask for a long answer. Its first word is its own: nothing of it is known before."""
        return (
            f"{self._noun_phrase().capitalize()} and {self._noun_phrase()}: tell a very long story about them, "
            f"and begin with the {self._noun_phrase()}."
        )

    def remark(self) -> str:
        """A short sentence, for a conversation."""
        return self._sentence()

    def ask(
        self,
        fixed: tuple[ChatMessage, ...],
        text: str,
        max_tokens: int,
        *,
        turns: tuple[ChatMessage, ...] = (),
        scope: str = "",
        way: Way = Way.TEXT,
        labels: tuple[str, ...] = (),
        repeat_penalty: float = _REPEAT_PENALTY,
    ) -> Ask:
        prompt = Prompt(fixed, turns, ChatMessage(Role.USER, text))
        tokens = self._template.fit(prompt, max_tokens=_MAX_PROMPT_TOKENS).tokens
        return Ask(prompt, tokens, max_tokens, scope, repeat_penalty, way, labels)

    def num_fixed_tokens(self, fixed: tuple[ChatMessage, ...]) -> int:
        """How many tokens are the same in every prompt of the skill."""
        prompt = Prompt(fixed, (), ChatMessage(Role.USER, "?"))
        return self._template.fit(prompt, max_tokens=_MAX_PROMPT_TOKENS).num_fixed

    def _sentence(self) -> str:
        choice = self._random.choice
        return f"The {self._noun_phrase()} {choice(_VERBS)} the {self._noun_phrase()} {choice(_ENDINGS)}."

    def _noun_phrase(self) -> str:
        return f"{self._random.choice(_ADJECTIVES)} {self._random.choice(_NOUNS)}"


def _skill(sentences: list[str]) -> tuple[ChatMessage, ...]:
    """The first sentence makes the skill its own from its first words on; the others are examples of questions and answers."""
    head, *rest = sentences
    messages = [ChatMessage(Role.SYSTEM, f"{head} {_SYSTEM_TEXT}")]
    for at in range(0, len(rest), 5):
        question, *answer = rest[at : at + 5]
        messages += [
            ChatMessage(Role.USER, question),
            ChatMessage(Role.ASSISTANT, " ".join(answer) or "Yes."),
        ]
    return tuple(messages)
