"""A model of a fixed speed: so many words a second for each answer, however many there are. Knows no platform."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from engine.inference import Delta, Finished, Request
from tests.fakes import FakeInference

_VOCABULARY = [
    "the",
    "crew",
    "moved",
    "two",
    "crates",
    "of",
    "apples",
    "from",
    "one",
    "harbour",
    "to",
    "another",
    "before",
    "noon",
    "and",
    "nobody",
    "asked",
    "why",
    "they",
    "had",
    "been",
    "left",
    "out",
    "in",
    "the",
    "rain",
    "over",
    "night",
]
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Writing:
    """How long each answer is, and how fast it is written. A word and the space behind it are a token."""

    num_words: int = 60
    words_per_second: float = 20.0

    @property
    def seconds(self) -> float:
        """From the question to the last word, if nothing else took time."""
        return self.num_words / self.words_per_second


def question(number: int) -> str:
    return f"question {number}"


def opening(number: int) -> str:
    """The first word of an answer, which stands in no other."""
    return f"Answer{number:03} "


def answer_to(asked: str, writing: Writing) -> str:
    """What the model writes when it is asked `question(number)`, in whatever words the number stands."""
    number = int(_NUMBER.findall(asked)[-1])
    words = [_VOCABULARY[at % len(_VOCABULARY)] for at in range(writing.num_words - 1)]
    return opening(number) + " ".join(words)


async def tokens(asked: str, writing: Writing) -> AsyncGenerator[str, None]:
    """The words of an answer, each at its time; who comes late for one finds the next ones waiting."""
    clock = _Clock(writing)
    for token in re.findall(r"\S+\s*", answer_to(asked, writing)):
        await clock.next_word()
        yield token


class PacedInference(FakeInference):
    """A fake that writes at `writing`'s speed, by a clock of its own for each answer."""

    def __init__(self, writing: Writing, num_slots: int) -> None:
        super().__init__(
            num_slots=num_slots, answer=lambda asked: answer_to(asked.prompt.last.content, writing)
        )
        self._writing = writing

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        clock = _Clock(self._writing)
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    await clock.next_word()
                yield event


class _Clock:
    """When the words of one answer are there: counted from its beginning, so that no delay adds up."""

    def __init__(self, writing: Writing) -> None:
        self._began_at = asyncio.get_running_loop().time()
        self._word_seconds = 1 / writing.words_per_second
        self._num_words = 0

    async def next_word(self) -> None:
        self._num_words += 1
        due = self._began_at + self._num_words * self._word_seconds
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
