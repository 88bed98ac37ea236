"""From chat messages to token ids, through the model's own chat template. Knows no skill and no person.

The template's text is read with the model's special tokens, people's text never: a message that says `<|im_end|>` is
a message that says so, and does not end a turn. The template itself sees of a message who speaks and nothing of what is said.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

from engine.inference.errors import RequestFailed
from engine.inference.sandbox import Sandbox, TemplateFailed, TemplateRefused
from engine.inference.tokentree import num_common
from engine.inference.wire import ChatMessage, FailureCode, Prompt, Role

# For a model without a template of its own: the form that most instruction-tuned models were trained on.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Content stands for itself as a private-use character pair while the template is rendered, and is put in afterwards.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_MAX_PLACES = 4  # how often a template may say one message
_PAIRS_DROPPED_TOGETHER = 4
_MAX_CACHED_CONTENTS = 2048
_PLACE = re.compile(f"{_OPEN}(\\d{{1,6}}){_CLOSE}")
# What begins and ends turns in the older families, whose vocabularies have no tokens of their own for it.
_PLAIN_MARK = re.compile(r"<<?/?\w+>>?|<\|[^|<>\s]+\|>|\[/?[A-Z_]+\]|#{2,} ?\w+:?")
_NOTHING = "\u200b"  # a space of no width: what is written stays to be read, and is no mark any more
# Conversations as prompts are made of them.
_PROBES = (
    (Role.USER,),
    (Role.SYSTEM, Role.USER),
    (Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER),
)


class Vocabulary(Protocol):
    """What turning text into tokens needs of a model."""

    @property
    def bos_text(self) -> str: ...
    @property
    def eos_text(self) -> str: ...
    @property
    def bos_token(self) -> int | None: ...
    @property
    def markers(self) -> dict[int, str]: ...
    def tokenize(self, text: str, *, parse_special: bool) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Fitted:
    """Token ids of a prompt that fits. The first `num_fixed` are the same for every prompt of the skill."""

    tokens: tuple[int, ...]
    num_fixed: int
    num_dropped_turns: int

    @property
    def only_fixed(self) -> "Fitted":
        return Fitted(self.tokens[: self.num_fixed], self.num_fixed, 0)


class ChatTemplate:
    def __init__(self, source: str | None, vocabulary: Vocabulary) -> None:
        """`source` is Jinja text from the model file; None takes ChatML.

        Raises:
            TemplateFailed: it is no template.
        """
        self._sandbox = Sandbox(source or CHATML)
        self._vocabulary = vocabulary
        user_defined = [text for text in vocabulary.markers.values() if len(text) > 1]
        self._marker = _any_of(user_defined)
        self._plain_marks: set[str] = set()
        self._plain_mark = _any_of(())
        # A skill's examples are the same texts in every prompt.
        self._content_tokens = lru_cache(_MAX_CACHED_CONTENTS)(self.plain_tokens)

    def check(self) -> None:
        """Runs it as prompts will, and learns how it marks turns.

        Raises:
            TemplateFailed: it takes no conversation, or leaves out what people say.
        """
        for messages in _PROBES:
            rendered = self._attempt(messages, is_open=True)
            if f"{_OPEN}{len(messages) - 1}{_CLOSE}" not in rendered:
                raise TemplateFailed("leaves out what people say")
            self._learn_marks(rendered)

    def _learn_marks(self, rendered: str) -> None:
        """A mark that the vocabulary has no token for is text: people's text must not be able to be it."""
        marks = {mark for part in _PLACE.split(rendered)[::2] for mark in _PLAIN_MARK.findall(part)}
        vocabulary = self._vocabulary
        self._plain_marks |= marks - {vocabulary.bos_text, vocabulary.eos_text, *vocabulary.markers.values()}
        self._plain_mark = _any_of(self._plain_marks)

    def fit(self, prompt: Prompt, *, max_tokens: int) -> Fitted:
        """Tokens of `prompt` with as many of its newest turns as fit into `max_tokens`.

        Raises:
            RequestFailed: `fixed` and `last` alone do not fit, or the template refuses the messages.
        """
        num_dropped = self._num_to_drop(prompt, max_tokens)
        tokens = self._tokens((*prompt.fixed, *prompt.turns[num_dropped:], prompt.last), is_open=True)
        if len(tokens) > max_tokens:
            code = FailureCode.PROMPT_TOO_LONG
            raise RequestFailed(code, "the message does not fit", len(tokens), max_tokens)
        fixed = self._fixed_tokens(prompt) if prompt.fixed else []
        # At least one token must be computed for every request: its logits are the first answer token.
        num_fixed = min(num_common(fixed, tokens), len(tokens) - 1)
        return Fitted(tuple(tokens), num_fixed, num_dropped)

    def forget(self) -> None:
        """Lets go of what was said; only tokens of texts are kept here, for a while."""
        self._content_tokens.cache_clear()

    def _num_to_drop(self, prompt: Prompt, max_tokens: int) -> int:
        """How many of the oldest turns, whole user/assistant pairs, go so that the prompt fits.

        A few pairs at a time, not one each time: the others' place in the prompt stays, and they need not be read again.
        """
        low, high = 0, (len(prompt.turns) + 1) // 2
        while low < high:
            middle = (low + high) // 2
            messages = (*prompt.fixed, *prompt.turns[2 * middle :], prompt.last)
            if len(self._tokens(messages, is_open=True)) <= max_tokens:
                high = middle
            else:
                low = middle + 1
        num_pairs = -(-low // _PAIRS_DROPPED_TOGETHER) * _PAIRS_DROPPED_TOGETHER
        return min(2 * num_pairs, max(2 * low, len(prompt.turns) - 2), len(prompt.turns))

    def _fixed_tokens(self, prompt: Prompt) -> list[int]:
        """The skill's part and what stands between it and the first word of whoever asks."""
        following = (*prompt.turns, prompt.last)[0]
        return self._tokens((*prompt.fixed, following), is_open=True, until=len(prompt.fixed))

    def _tokens(
        self, messages: Sequence[ChatMessage], *, is_open: bool, until: int | None = None
    ) -> list[int]:
        """Up to the content of message number `until`; None goes to the end."""
        rendered = self._rendered(messages, is_open=is_open)
        tokens: list[int] = []
        for index, part in enumerate(_PLACE.split(rendered)):
            if index % 2:
                if int(part) == until:
                    break
                tokens += self._content_tokens(messages[int(part)].content)
            elif part:
                tokens += self._vocabulary.tokenize(part, parse_special=True)
        bos = self._vocabulary.bos_token
        return tokens if bos is None or tokens[:1] == [bos] else [bos, *tokens]

    def _rendered(self, messages: Sequence[ChatMessage], *, is_open: bool) -> str:
        try:
            return self._attempt([message.role for message in messages], is_open=is_open)
        except TemplateFailed as error:
            detail = f"the model's chat template {error}"
            raise RequestFailed(FailureCode.BAD_CONSTRAINT, detail) from error

    def _attempt(self, roles: Sequence[Role], *, is_open: bool) -> str:
        named = [(role, f"{_OPEN}{index}{_CLOSE}") for index, role in enumerate(roles)]
        try:
            return self._render(named, is_open=is_open)
        except TemplateRefused:
            if not named or named[0][0] is not Role.SYSTEM:
                raise
        # Some templates have no place for a system message: it goes in front of the first user's.
        return self._render(_without_system(named), is_open=is_open)

    def _render(self, named: list[tuple[Role, str]], *, is_open: bool) -> str:
        values = {
            "messages": [{"role": str(role), "content": content} for role, content in named],
            "add_generation_prompt": is_open,
            "bos_token": self._vocabulary.bos_text,
            "eos_token": self._vocabulary.eos_text,
            "enable_thinking": False,
        }
        rendered = self._sandbox.render(values)
        given = {place for _, content in named for place in _PLACE.findall(content)}
        places = _PLACE.findall(rendered)
        if len(places) > _MAX_PLACES * len(given) or not given.issuperset(places):
            raise TemplateFailed("makes up messages")
        return rendered

    def plain_tokens(self, text: str) -> list[int]:
        """Tokens of people's text, none of which is a marker of the model."""
        markers = self._vocabulary.markers
        text = self._plain_mark.sub(lambda found: f"{found[0]}{_NOTHING}", text)
        tokens = self._vocabulary.tokenize(text, parse_special=False)
        if not any(token in markers for token in tokens):
            return tokens
        # Some tokens are read in any text: cut each such text after its first character and read the pieces.
        tokens = [
            token
            for piece in self._cut(text)
            for token in self._vocabulary.tokenize(piece, parse_special=False)
        ]
        return [token for token in tokens if token not in markers]

    def _cut(self, text: str) -> list[str]:
        cuts = {found.start() + 1 for found in self._marker.finditer(text)}
        return [text[start:end] for start, end in pairwise([0, *sorted(cuts), len(text)])]


def _any_of(texts: Iterable[str]) -> "re.Pattern[str]":
    """Finds the first character of each of `texts`, also where they overlap; nothing at all where there are none."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(f"(?={'|'.join(map(re.escape, longest_first))})." if longest_first else "(?!)")


def _without_system(named: list[tuple[Role, str]]) -> list[tuple[Role, str]]:
    (_, system), *rest = named
    if not rest:
        return [(Role.USER, system)]
    (role, first), *others = rest
    return [(role, f"{system}\n\n{first}"), *others]
