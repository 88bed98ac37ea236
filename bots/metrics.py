"""Figures and health over HTTP, for this machine alone: on 127.0.0.1, only to be read. Knows no figure; `Figures` has them."""

import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bots.metrics_figures import Figures
from bots.metrics_text import CONTENT_TYPE, rendered
from engine import Fault, FileFaults

HOST = "127.0.0.1"

_CLOSING_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75.0
_MAX_WAITING_CONNECTIONS = 16
_RETRY_SECONDS = 5


class MetricsServer:
    """`address` is empty where nothing is served. It is there before the engine, and says so until `show`."""

    def __init__(self) -> None:
        self.address = ""
        self._figures: Figures | None = None  # until the engine is open

    def show(self, figures: Figures) -> None:
        self._figures = figures

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics, allow_head=False)
        app.router.add_get("/health", self._health, allow_head=False)
        return app

    async def _metrics(self, _request: web.Request) -> web.Response:
        if self._figures is None:
            return web.Response(
                status=503, text="The model is being loaded.\n", headers={"Retry-After": str(_RETRY_SECONDS)}
            )
        return web.Response(
            body=rendered(self._figures.families()),
            headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
        )

    async def _health(self, _request: web.Request) -> web.Response:
        figures = self._figures
        told = {
            "is_well": figures is not None and figures.is_well,
            "is_leaving": figures is not None and figures.is_leaving,
            "is_engine_up": figures is not None and figures.is_engine_up,
            "places": {} if figures is None else dict(figures.places),
            "reasons": {} if figures is None else dict(figures.reasons),
        }
        return web.Response(
            status=200 if told["is_well"] else 503,
            text=json.dumps(told),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )


@asynccontextmanager
async def serving_metrics(port: int | None) -> AsyncIterator[MetricsServer]:
    """The server, listening until the block ends. Without a port it listens nowhere; port 0 is any that is free.

    Raises:
        FileFaults: the port cannot be had.
    """
    server = MetricsServer()
    if port is None:
        yield server
        return
    runner = web.AppRunner(
        server.app(),
        access_log=None,
        shutdown_timeout=_CLOSING_SECONDS,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
    )
    await runner.setup()
    try:
        await _listen(runner, port)
        server.address = f"http://{HOST}:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, HOST, port, backlog=_MAX_WAITING_CONNECTIONS).start()
    except OSError as error:
        raise FileFaults((Fault("metrics.port", None, _reason(error, port)),)) from error


def _reason(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another program has port {port}; set another one in config.yaml, or `off`"
        case errno.EACCES | errno.EPERM:
            return f"this user may not open port {port}; set one from 1024 up in config.yaml, or `off`"
        case _:
            return (
                f"port {port} cannot be opened ({error.strerror}); set another one in config.yaml, or `off`"
            )
