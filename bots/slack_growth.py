"""What the messages of a growing answer may show by now, so that each only ever grows. Knows no Slack and no time.

A stream cannot take back a letter, so what may still be rendered otherwise (half a word, a link, the end of a fence) is
held back until it is sure.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bots import fences
from bots.splitting import Splitter
from bots.surface import Controls
from bots.writer import MAX_MESSAGES, Draft, Stage


@dataclass(frozen=True, slots=True)
class Step:
    """What one message of the answer should show by now, rendered. One that is whole will not change any more."""

    text: str
    is_whole: bool
    controls: Controls = Controls.NONE


class Growth:
    """Of one answer. At most as many messages as an answer has before it ends as a file."""

    def __init__(self, max_length: int, render: Callable[[str], str], measure: Callable[[str], int]) -> None:
        self._render = render
        self._splitter = Splitter(max_length, lambda text: measure(render(text)))

    def steps(self, draft: Draft) -> list[Step]:
        """First message first. Whatever is not whole is the beginning of what comes later, or is not worth a message."""
        is_final = draft.stage is Stage.FINAL
        text = draft.text if is_final else settled(draft.text)
        parts = self._splitter.parts(text)
        num_whole = len(parts) if is_final else self._splitter.num_full
        steps = [Step(self._render(part), is_whole=True) for part in parts[:num_whole]]
        steps += [
            Step(self._render(_without_closing_fence(part, text)), is_whole=False)
            for part in parts[num_whole:]
        ]
        if is_final and steps and not self.ends_as_file(draft):
            steps[-1] = replace(steps[-1], controls=draft.controls)
        return steps[:MAX_MESSAGES]

    def ends_as_file(self, draft: Draft) -> bool:
        """Whether the answer has more than its messages show: a picture, or too much text."""
        return draft.picture is not None or len(self._splitter.parts(draft.text)) > MAX_MESSAGES


def settled(text: str) -> str:
    """What of a growing text will not be rendered otherwise later: whole words, and no link that is still open."""
    cut = max(text.rfind(" "), text.rfind("\n")) + 1
    line_start = text.rfind("\n", 0, cut) + 1
    for opening, closing in (("[", ")"), ("<", ">")):
        at = text.rfind(opening, line_start, cut)
        if at >= 0 and closing not in text[at:cut]:
            cut = at
    return text[:cut]


def _without_closing_fence(part: str, text: str) -> str:
    """A part that ends inside a code block, without the fence that the splitter closed it with."""
    fence = fences.open_at_end(text)
    return part if fence is None else part.removesuffix("\n" + fence.closing)
