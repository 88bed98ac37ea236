"""What people use to let a local model answer: the class `llama_cpp.Llama`, in a process of its own, greedy and with its prefix kept.

Run as `python -m bench.teaching_peer` it is that process: a line of JSON for each question comes in, a line with its answer goes out.
"""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.openmp import environment, waiting

if TYPE_CHECKING:
    from llama_cpp import Llama

_BATCH_TOKENS = 512
_CLOSE_SECONDS = 5.0
_MAX_LINE_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class PeerSettings:
    model: Path
    sha256: str
    num_threads: int
    has_flash_attention: bool = False
    is_spinning: bool = False

    @property
    def text(self) -> str:
        """For the reader of the figures."""
        threads = f"n_threads=n_threads_batch={self.num_threads}"
        return (
            f"llama_cpp.Llama({threads}, n_batch={_BATCH_TOKENS}, flash_attn={self.has_flash_attention}), temperature 0, "
            f"prefix kept, {waiting(is_spinning=self.is_spinning)}"
        )


@dataclass(frozen=True, slots=True)
class Question:
    """Either a bare `prompt` or, in `messages`, pairs of role and content for the model's chat template."""

    max_tokens: int
    prompt: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    stop: tuple[str, ...] = ("\n",)


@dataclass(frozen=True, slots=True)
class Written:
    text: str
    seconds: float


class Peer:
    """One instance of the class: what it read last is its only prefix, as for whoever uses it for one job."""

    def __init__(self, settings: PeerSettings, context_tokens: int) -> None:
        self.settings, self.context_tokens = settings, context_tokens
        self._process: Process | None = None

    async def write(self, question: Question) -> Written:
        """Starts the process if need be; the time is that from the question to the whole answer."""
        await self._started()
        started = time.perf_counter()
        found = await self._asked(asdict(question))
        return Written(found["text"], time.perf_counter() - started)

    async def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text."""
        await self._started()
        return list((await self._asked({"count": texts}))["counts"])

    async def close(self) -> None:
        if (process := self._process) is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _CLOSE_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _started(self) -> None:
        if self._process is not None:
            return
        settings = self.settings
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.teaching_peer", str(settings.model), str(self.context_tokens)),
            *(str(settings.num_threads), str(int(settings.has_flash_attention))),
            stdin=PIPE,
            stdout=PIPE,
            limit=_MAX_LINE_BYTES,
            env=environment(is_spinning=settings.is_spinning),
        )
        await self._line()

    async def _asked(self, question: dict[str, Any]) -> dict[str, Any]:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("not started")
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._line()

    async def _line(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("not started")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the peer's process has ended")
        return dict(json.loads(line))


# The process


def main(arguments: list[str]) -> None:
    from llama_cpp import Llama  # noqa: PLC0415 - the process that measures needs none

    model, context_tokens, num_threads, has_flash_attention = arguments
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    llama = Llama(
        model,
        n_ctx=int(context_tokens),
        n_threads=int(num_threads),
        n_threads_batch=int(num_threads),
        n_batch=_BATCH_TOKENS,
        n_ubatch=_BATCH_TOKENS,
        flash_attn=has_flash_attention == "1",
        verbose=False,
    )
    out.write("{}\n")
    for line in sys.stdin:
        out.write(json.dumps(_answer(llama, json.loads(line))) + "\n")


def _answer(llama: "Llama", question: dict[str, Any]) -> dict[str, Any]:
    if "count" in question:
        return {"counts": [len(llama.tokenize(text.encode(), add_bos=False)) for text in question["count"]]}
    options = {"temperature": 0.0, "max_tokens": question["max_tokens"], "stop": question["stop"]}
    if question["messages"]:
        messages = [{"role": role, "content": content} for role, content in question["messages"]]
        found = llama.create_chat_completion(messages, **options)
        return {"text": found["choices"][0]["message"]["content"] or ""}
    return {"text": llama.create_completion(question["prompt"], **options)["choices"][0]["text"]}


if __name__ == "__main__":
    main(sys.argv[1:])
