"""The gateway of the Discord emulator: sessions that are identified, resumed and replayed. Knows no message and no REST."""

import asyncio
import json
import socket
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web


class Op(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    RESUME = 6
    RECONNECT = 7
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


AUTHENTICATION_FAILED = 4004
DISALLOWED_INTENTS = 4014
HEARTBEAT_SECONDS = 41.25
AT_ONCE = struct.pack("ii", 1, 0)


class Connection:
    """One web socket. With zlib-stream all frames share one compression context, as Discord has it."""

    def __init__(self, socket: web.WebSocketResponse, compress: str | None) -> None:
        self._socket = socket
        self._deflater = zlib.compressobj() if compress == "zlib-stream" else None

    async def send(
        self, op: Op, data: Any = None, event: str | None = None, sequence: int | None = None
    ) -> None:
        frame = json.dumps({"op": op, "d": data, "t": event, "s": sequence})
        with suppress(ConnectionError):  # what the client missed is replayed when it resumes
            if self._deflater is None:
                await self._socket.send_str(frame)
            else:
                packed = self._deflater.compress(frame.encode()) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
                await self._socket.send_bytes(packed)

    async def close(self, code: int) -> None:
        await self._socket.close(code=code)

    def abort(self) -> None:
        """The connection is reset without a word."""
        if (transport := self._transport) is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            transport.abort()

    def freeze(self) -> None:
        """It stays open, and nothing is heard there any more."""
        if (transport := self._transport) is not None:
            transport.pause_reading()

    @property
    def _transport(self) -> asyncio.Transport | None:
        request = self._socket._req  # aiohttp has no public way to a server's socket
        return request.transport if request is not None else None


@dataclass
class Session:
    """What Discord remembers of a client between two connections."""

    id: str
    intents: int
    connection: Connection | None
    sequence: int = 0
    events: list[tuple[int, str, Any]] = field(default_factory=list)


class Gateway:
    """Accepts clients that know the token, and sends every event to each of them."""

    def __init__(
        self,
        token: str,
        ready: Callable[[], dict[str, Any]],
        notify: Callable[[], None],
        forbidden_intents: Callable[[], int],
    ) -> None:
        self.sessions: list[Session] = []
        self.num_identified = 0
        self.num_resumed = 0
        self.num_heartbeats = 0
        self.is_open = True
        self.heartbeat_seconds = HEARTBEAT_SECONDS
        self._frozen: list[Connection] = []
        self.welcome: list[tuple[str, dict[str, Any]]] = []
        self._token = token
        self._ready = ready
        self._notify = notify
        self._forbidden_intents = forbidden_intents
        self._numbers = count(1)

    @property
    def num_connected(self) -> int:
        return sum(session.connection is not None for session in self.sessions)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if not self.is_open:
            return web.Response(status=503)
        link = web.WebSocketResponse()
        await link.prepare(request)
        connection = Connection(link, request.query.get("compress"))
        await connection.send(Op.HELLO, {"heartbeat_interval": self.heartbeat_seconds * 1000})
        try:
            async for frame in link:
                if frame.type is WSMsgType.TEXT:
                    await self._receive(connection, json.loads(frame.data))
        finally:
            self._forget(connection)
        return link

    async def dispatch(self, event: str, data: dict[str, Any]) -> None:
        for session in self.sessions:
            await self._send(session, event, data)

    def cut(self) -> None:
        for session in self.sessions:
            if session.connection is not None:
                session.connection.abort()

    def freeze(self) -> None:
        """Half open: what is sent there is lost until the session is resumed elsewhere."""
        for session in self.sessions:
            if session.connection is not None:
                session.connection.freeze()
                self._frozen.append(session.connection)
                session.connection = None

    def thaw(self) -> None:
        """Cuts what is still half open."""
        while self._frozen:
            self._frozen.pop().abort()

    async def invalidate(self) -> None:
        """Discord has forgotten the sessions: op 9, and nothing can be resumed."""
        sessions, self.sessions = self.sessions, []
        for session in sessions:
            if session.connection is not None:
                await session.connection.send(Op.INVALID_SESSION, data=False)

    async def ask_to_reconnect(self) -> None:
        for session in self.sessions:
            if session.connection is not None:
                await session.connection.send(Op.RECONNECT)

    async def close(self, code: int) -> None:
        for session in self.sessions:
            if session.connection is not None:
                await session.connection.close(code)

    async def _receive(self, connection: Connection, frame: dict[str, Any]) -> None:
        data: Any = frame["d"]
        if frame["op"] == Op.HEARTBEAT:
            self.num_heartbeats += 1
            await connection.send(Op.HEARTBEAT_ACK)
        elif data["token"] != self._token:
            await connection.close(AUTHENTICATION_FAILED)
        elif frame["op"] == Op.IDENTIFY and data["intents"] & self._forbidden_intents():
            await connection.close(DISALLOWED_INTENTS)
        elif frame["op"] == Op.IDENTIFY:
            await self._identify(connection, data)
        elif frame["op"] == Op.RESUME:
            await self._resume(connection, data)
        self._notify()

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> None:
        self.num_identified += 1
        session = Session(f"session-{next(self._numbers)}", data["intents"], connection)
        self.sessions = [session]
        await self._send(session, "READY", {**self._ready(), "session_id": session.id})
        for event, detail in self.welcome:
            await self._send(session, event, detail)

    async def _resume(self, connection: Connection, data: dict[str, Any]) -> None:
        known = [session for session in self.sessions if session.id == data["session_id"]]
        if not known:
            await connection.send(Op.INVALID_SESSION, data=False)
            return
        session = known[0]
        self.num_resumed += 1
        session.connection = connection
        for sequence, event, detail in session.events:
            if sequence > data["seq"]:
                await connection.send(Op.DISPATCH, detail, event, sequence)
        await self._send(session, "RESUMED", {})

    async def _send(self, session: Session, event: str, data: dict[str, Any]) -> None:
        session.sequence += 1
        session.events.append((session.sequence, event, data))
        if session.connection is not None:
            await session.connection.send(Op.DISPATCH, data, event, session.sequence)

    def _forget(self, connection: Connection) -> None:
        for session in self.sessions:
            if session.connection is connection:
                session.connection = None
        self._notify()
