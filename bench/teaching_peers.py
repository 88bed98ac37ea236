"""The peers' ways to use examples, on the same model: what each puts into the prompt, and when its text counts. Of the engine it knows the words of a prompt.

Pasted: all examples that fit stand in the system message of a chat. Random: a few-shot template with the same few for every
message, as LangChain's `FewShotPromptTemplate` has them. Nearest: those whose embeddings are nearest to the message, as LangChain's
`SemanticSimilarityExampleSelector` and DSPy's `KNNFewShot` choose them, the nearest first. All let the model write, greedily.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.teaching_peer import Peer, PeerSettings, Question
from bench.teaching_sets import ChoiceSet, Item
from engine.prompt import system_message

NUM_SHOTS = 8
POOL = 256  # what they may use, the same draw as ours
PASTED_TOKENS, SHOTS_TOKENS = 8192, 2048  # contexts; the first is all that the starter model was trained for
_SPARE_TOKENS = 512  # of the first, for the labels, the message and the answer
_TOKENS_AROUND = 8  # an example's "Input:", "Output:" and line ends, at most
_MAX_WRITTEN_TOKENS = 12  # the longest label has 7
_QUOTES = "\"'`*. "


class Way(StrEnum):
    PASTED = "all pasted"
    RANDOM = "random 8"
    NEAREST = "nearest 8"


def context_tokens(way: Way) -> int:
    return PASTED_TOKENS if way is Way.PASTED else SHOTS_TOKENS


def pasted(data: ChoiceSet, shown: Sequence[Item], text: str) -> Question:
    system = "\n".join([task(data), "", "Examples:", *(_example(data, one) for one in shown)])
    return Question(_MAX_WRITTEN_TOKENS, messages=(("system", system), ("user", text)))


def few_shot(data: ChoiceSet, shown: Sequence[Item], text: str) -> Question:
    """As a template joins its prefix, its examples and its suffix."""
    examples = (_example(data, one) for one in shown)
    prompt = "\n\n".join([task(data), *examples, f"Input: {text}\nOutput:"])
    return Question(_MAX_WRITTEN_TOKENS, prompt=prompt)


def task(data: ChoiceSet) -> str:
    """The same words as in our prompt, what each label is about included."""
    return system_message(data.skill(())).content


def _example(data: ChoiceSet, one: Item) -> str:
    return f"Input: {one.text}\nOutput: {data.labels[one.label]}"


def num_that_fit(counts: Sequence[int]) -> int:
    """How many examples of so many tokens each have room when all are pasted."""
    room = PASTED_TOKENS - _SPARE_TOKENS
    for number, count in enumerate(counts):
        room -= count + _TOKENS_AROUND
        if room < 0:
            return number
    return len(counts)


def nearest(vectors: NDArray[np.float32], vector: NDArray[np.float32], number: int) -> list[int]:
    """The indexes of the greatest cosines, the greatest first. All vectors have length 1."""
    return [int(one) for one in np.argsort(-(vectors @ vector), kind="stable")[:number]]


def is_right(written: str, label: str) -> bool:
    """Generously: the first line that is not empty, without case, quotes, marks and a last full stop, is the label."""
    lines = [line for line in written.splitlines() if line.strip()]
    first = lines[0].strip(_QUOTES).casefold() if lines else ""
    return first.removeprefix("output:").strip(_QUOTES) == label.casefold()


class Answers:
    """What the peers wrote, kept on disk between runs: greedy text depends on the model and the question alone."""

    def __init__(self, path: Path, settings: PeerSettings) -> None:
        self._path, self._sha256 = path, settings.sha256
        self._known: dict[str, str] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                kept = json.loads(line)
                self._known[kept["key"]] = kept["text"]

    async def of(self, peer: Peer, question: Question) -> str:
        key = self._key(question)
        if key not in self._known:
            self._keep(key, (await peer.write(question)).text)
        return self._known[key]

    def _keep(self, key: str, text: str) -> None:
        self._known[key] = text
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "text": text}) + "\n")

    def _key(self, question: Question) -> str:
        parts = [
            self._sha256,
            question.prompt,
            question.messages,
            question.max_tokens,
            question.stop,
        ]
        return sha256(json.dumps(parts).encode()).hexdigest()[:32]
