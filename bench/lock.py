"""What most bots do: the high-level `llama_cpp.Llama` behind a lock, one answer at a time, in a process of its own.

Run as `python -m bench.lock` it is that process: a line of JSON for each request comes in, a line for each piece goes out.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from bench.openmp import environment, waiting
from bench.system import Ask, Ending, Piece, Settings, SystemName, Way

if TYPE_CHECKING:
    from llama_cpp import Llama

_BATCH_TOKENS = 512
_CLOSE_SECONDS = 5.0
_MAX_LINE_BYTES = 1 << 24


class Lock:
    name = SystemName.LOCK

    def __init__(
        self, settings: Settings, *, has_flash_attention: bool = False, is_spinning: bool = True
    ) -> None:
        self._settings, self._has_flash_attention = settings, has_flash_attention
        self._is_spinning = is_spinning
        self._process: Process | None = None
        # Waiting for it is what the others' first token costs.
        self._lock = asyncio.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def flags(self) -> str:
        settings = self._settings
        return (
            f"Llama(n_ctx={settings.slot_tokens}, n_threads={settings.num_threads}, "
            f"n_threads_batch={settings.num_threads}, n_batch={_BATCH_TOKENS}, flash_attn={self._has_flash_attention}), "
            f"create_completion(stream=True), one lock, {waiting(is_spinning=self._is_spinning)}"
        )

    async def start(self) -> None:
        settings = self._settings
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.lock", str(settings.model)),
            *(str(settings.slot_tokens), str(settings.num_threads), str(settings.gpu_layers)),
            str(int(self._has_flash_attention)),
            stdin=PIPE,
            stdout=PIPE,
            limit=_MAX_LINE_BYTES,
            env=environment(is_spinning=self._is_spinning),
        )
        await self._read()

    async def stream(self, ask: Ask) -> AsyncIterator[Piece | Ending]:
        async with self._lock:
            self._write(ask)
            while "text" in (event := await self._read()):
                yield Piece(event["text"])
            yield Ending(event["read"], event["written"])

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

    def _write(self, ask: Ask) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("not started")
        wish = {"tokens": ask.tokens, "max_tokens": ask.max_tokens, "repeat_penalty": ask.repeat_penalty}
        if ask.way is Way.GRAMMAR:
            wish["grammar"] = grammar_of(ask.labels)
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")

    async def _read(self) -> dict:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("not started")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process behind the lock has ended")
        return json.loads(line)


def grammar_of(labels: tuple[str, ...]) -> str:
    """GBNF: one of the labels in quotes, as our grammar for JSON writes it."""
    return "root ::= " + " | ".join(f'"\\"{label}\\""' for label in labels)


# The process


def main(arguments: list[str]) -> None:
    from llama_cpp import Llama  # noqa: PLC0415 - the process that measures needs none

    model, slot_tokens, num_threads, gpu_layers, has_flash_attention = arguments
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    llama = Llama(
        model,
        n_ctx=int(slot_tokens),
        n_threads=int(num_threads),
        n_threads_batch=int(num_threads),
        n_batch=_BATCH_TOKENS,
        n_ubatch=_BATCH_TOKENS,
        n_gpu_layers=int(gpu_layers),
        flash_attn=has_flash_attention == "1",
        verbose=False,
    )
    out.write("{}\n")
    for line in sys.stdin:
        _serve(llama, json.loads(line), out)


def _serve(llama: "Llama", wish: dict, out: IO[str]) -> None:
    from llama_cpp import LlamaGrammar  # noqa: PLC0415

    prompt = wish["tokens"]
    num_cached = _num_common(llama.input_ids[: llama.n_tokens].tolist(), prompt)
    grammar = LlamaGrammar.from_string(wish["grammar"], verbose=False) if "grammar" in wish else None
    num_pieces = 0
    for chunk in llama.create_completion(
        prompt,
        stream=True,
        temperature=0.0,
        max_tokens=wish["max_tokens"],
        repeat_penalty=wish["repeat_penalty"],
        grammar=grammar,
    ):
        if text := chunk["choices"][0]["text"]:
            num_pieces += 1
            out.write(json.dumps({"text": text}) + "\n")
    # The last token was written and not computed.
    num_written = min(wish["max_tokens"], llama.n_tokens - len(prompt) + 1)
    out.write(json.dumps({"read": len(prompt) - num_cached, "written": num_written}) + "\n")


def _num_common(known: list[int], prompt: list[int]) -> int:
    """As the class itself counts: at least the last token is computed."""
    limit = min(len(known), len(prompt) - 1)
    return next((at for at in range(limit) if known[at] != prompt[at]), limit)


if __name__ == "__main__":
    main(sys.argv[1:])
