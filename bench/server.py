"""llama.cpp's own `llama-server`, spoken to over HTTP on loopback. Knows no build: the program is given."""

import asyncio
import json
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.lock import grammar_of
from bench.openmp import environment, waiting
from bench.system import Ask, Ending, Piece, Settings, SystemName, Way

_START_SECONDS = 120.0
_POLL_SECONDS = 0.05
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ServerFlags:
    """The ones that change how fast it is."""

    is_unified: bool = False
    has_flash_attention: bool = True
    cache_ram_mib: int = 8192
    is_spinning: bool = True  # OpenMP's threads wait actively, its default

    @property
    def arguments(self) -> tuple[str, ...]:
        return (
            "--kv-unified" if self.is_unified else "-no-kvu",
            *("-fa", "on" if self.has_flash_attention else "off"),
            *("--cache-ram", str(self.cache_ram_mib)),
        )


class Server:
    name = SystemName.SERVER

    def __init__(
        self, settings: Settings, program: Path, flags: ServerFlags = ServerFlags(), log: Path | None = None
    ) -> None:
        self._settings, self._program, self._flags, self._log = settings, program, flags, log
        self._process: Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._url = ""

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def flags(self) -> str:
        return f"llama-server {' '.join(self._arguments)}, {waiting(is_spinning=self._flags.is_spinning)}"

    @property
    def _arguments(self) -> tuple[str, ...]:
        settings = self._settings
        threads = str(settings.num_threads)
        return (
            *("-np", str(settings.num_slots), "-c", str(settings.num_slots * settings.slot_tokens)),
            *(
                "-t",
                threads,
                "-tb",
                threads,
                "-ngl",
                str(max(0, settings.gpu_layers) or (99 * (settings.gpu_layers < 0))),
            ),
            *("-cb", "-b", "2048", "-ub", "512"),
            *self._flags.arguments,
        )

    async def start(self) -> None:
        port = _free_port()
        self._url = f"http://127.0.0.1:{port}"
        log = self._log.open("ab") if self._log else None
        self._process = await asyncio.create_subprocess_exec(
            *(str(self._program), "-m", str(self._settings.model), *self._arguments),
            *("--host", "127.0.0.1", "--port", str(port)),
            stdout=log or DEVNULL,
            stderr=log or DEVNULL,
            env=environment(is_spinning=self._flags.is_spinning),
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        async with asyncio.timeout(_START_SECONDS):
            while not await self._is_ready(self._session):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(_POLL_SECONDS)

    async def stream(self, ask: Ask) -> AsyncIterator[Piece | Ending]:
        if self._session is None:
            raise RuntimeError("not started")
        async with self._session.post(f"{self._url}/completion", json=_body(ask)) as response:
            response.raise_for_status()
            async for line in response.content:
                if not line.startswith(b"data: "):
                    continue
                event = json.loads(line[6:])
                if event["content"]:
                    yield Piece(event["content"])
                if event["stop"]:
                    timings = event["timings"]
                    yield Ending(timings["prompt_n"], timings["predicted_n"])

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _CLOSE_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        if self._process is None or self._process.returncode is not None:
            raise RuntimeError("llama-server has ended; see its log")
        try:
            async with session.get(f"{self._url}/health") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


def _body(ask: Ask) -> dict:
    body = {
        "prompt": list(ask.tokens),
        "n_predict": ask.max_tokens,
        "stream": True,
        "cache_prompt": True,
        "temperature": 0.0,
        "repeat_penalty": ask.repeat_penalty,
    }
    return body | ({"grammar": grammar_of(ask.labels)} if ask.way is Way.GRAMMAR else {})


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
