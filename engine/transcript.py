"""A platform's conversation as the text that a skill is given: names kept, the newest lines first until there is no room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.command import SkillCall
from engine.errors import PromptTooLong
from engine.message import Line

_BOT = " (bot)"
_CUT = "…"
_MARGIN = 0.95  # the oldest of what is taken may have longer tokens than the rest


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The newest lines, oldest first; `num_left_out` older ones had no room."""

    text: str
    num_left_out: int = 0


def newest(lines: Sequence[Line], max_characters: int) -> Excerpt:
    """One `name: text` after the other, as many as fit. A newest line that does not fit by itself is cut.

    Nobody can speak for somebody else: a name is one line, and what follows a line's end inside a text is indented.
    """
    kept: list[str] = []
    room = max_characters
    for line in reversed(lines):
        text = _said(line)
        if len(text) > room:
            break
        kept.append(text)
        room -= len(text) + 1
    if not kept and lines and max_characters > 0:
        kept = [_said(lines[-1])[: max_characters - 1] + _CUT]
    return Excerpt("\n".join(reversed(kept)), len(lines) - len(kept))


def _said(line: Line) -> str:
    name = " ".join(line.author.replace(":", " ").split()) or "?"
    text = "\n  ".join(line.text.strip().splitlines())
    return f"{name}{_BOT if line.is_bot else ''}: {text}"


class Fitting:
    """A call's inputs, with as much of its conversation as fits. A call that has none is as it is.

    The numbers of tokens are guesses: when the model finds the prompt too long, `shrink` and ask again.
    """

    def __init__(
        self, call: SkillCall, *, max_tokens: int, fixed_tokens: int, characters_per_token: float
    ) -> None:
        self._call = call
        self._fixed_tokens = fixed_tokens
        self._take(int((max_tokens - fixed_tokens) * characters_per_token))

    @property
    def has_conversation(self) -> bool:
        """Whether the text is a conversation: of a message that somebody wrote nothing is left out."""
        return bool(self._call.transcript)

    @property
    def num_left_out(self) -> int:
        return self._excerpt.num_left_out

    @property
    def speaker_ids(self) -> tuple[str, ...]:
        """Whose words are in it, each once."""
        taken = self._call.transcript[self.num_left_out :]
        return tuple(sorted({line.author_id for line in taken if line.author_id}))

    @property
    def inputs(self) -> Mapping[str, str]:
        call = self._call
        if not call.transcript:
            return call.inputs
        given = {**call.inputs, call.skill.main_input.name: self._excerpt.text}
        return {one.name: given[one.name] for one in call.skill.inputs if one.name in given}

    def shrink(self, error: PromptTooLong) -> bool:
        """Whether there is still something to ask with. The model has counted: now it is known how long its tokens are."""
        size = len(self._excerpt.text)
        has, may_have = (tokens - self._fixed_tokens for tokens in (error.num_tokens, error.max_tokens))
        share = _MARGIN * may_have / has if 0 < may_have < has else 0.5
        self._take(min(size - 1, int(size * share)))
        return bool(self._excerpt.text)

    def _take(self, max_characters: int) -> None:
        self._excerpt = newest(self._call.transcript, max(0, max_characters))
