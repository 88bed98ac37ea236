"""A Hugging Face hub on loopback: files by repository, a gate, and a store at another port that it redirects to.

It offers plain HTTP only, and remembers every request. `fates` are what happens to the next transfers, in order; those
after them go well.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

COMMIT = "c0ffee" * 6 + "c0de"


@dataclass(frozen=True, slots=True)
class HubRequest:
    method: str
    path: str
    token: str | None
    range: str | None


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends before this byte of the file."""

    at: int


@dataclass(frozen=True, slots=True)
class Refused:
    status: int


@dataclass
class Hub:
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    valid_token: str | None = None
    is_a_hub: bool = True
    sent_instead: bytes | None = None
    fates: list[Cut | Refused] = field(default_factory=list)
    claimed_num_bytes: int | None = None
    requests: list[HubRequest] = field(default_factory=list)
    stored: list[HubRequest] = field(default_factory=list)
    url: str = ""
    store_url: str = ""

    def add(self, repo: str, file: str, content: bytes) -> None:
        self.files[repo, file] = content

    def seen(self, method: str) -> list[HubRequest]:
        return [request for request in self.requests if request.method == method]


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    with _serving(hub, _HubHandler) as hub.url, _serving(hub, _StoreHandler) as hub.store_url:
        yield hub


@contextmanager
def _serving(hub: Hub, handler: type["_Handler"]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), {"hub": hub}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Nothing is written beside the test's own output."""

    def seen(self) -> HubRequest:
        token = self.headers.get("Authorization")
        return HubRequest(
            self.command, self.path, token and token.removeprefix("Bearer "), self.headers.get("Range")
        )

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _HubHandler(_Handler):
    """What Hugging Face's own host says: who may read what, and where it lies."""

    def do_HEAD(self) -> None:
        self._resolve()

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            self._list()
        else:
            self._resolve()

    def _resolve(self) -> None:
        request = self.seen()
        self.hub.requests.append(request)
        owner, repo, _, revision, *parts = urlsplit(self.path).path.strip("/").split("/")
        name, file = f"{owner}/{repo}", "/".join(parts)
        if not self.hub.is_a_hub:
            return self.answer(
                200, {"Content-Type": "text/html"}, b"<html>Please log in to the network</html>"
            )
        refusal = self._refusal(name, file, revision, request.token)
        if refusal:
            return self.answer(*refusal)
        content = self.hub.files[name, file]
        size = self.hub.claimed_num_bytes or len(content)
        headers = {
            "Location": f"{self.hub.store_url}/{name}/{file}?signature=1",
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Linked-Size": str(size),
        }
        return self.answer(302, headers)

    def _refusal(
        self, name: str, file: str, revision: str, token: str | None
    ) -> tuple[int, dict[str, str]] | None:
        if token and token != self.hub.valid_token:
            return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}
        if name in self.hub.gated and not token:
            return 401, {"X-Error-Code": "GatedRepo"}
        if not any(repo == name for repo, _ in self.hub.files):
            return 401, {"X-Error-Code": "RepoNotFound"}
        if revision not in ("main", "v2", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}
        if (name, file) not in self.hub.files:
            return 404, {"X-Error-Code": "EntryNotFound"}
        return None

    def _list(self) -> None:
        self.hub.requests.append(self.seen())
        _, _, owner, repo, *_ = urlsplit(self.path).path.strip("/").split("/")
        entries = [
            {"type": "file", "path": file, "size": len(content), "oid": "0" * 40}
            for (name, file), content in self.hub.files.items()
            if name == f"{owner}/{repo}"
        ]
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(entries).encode())


class _StoreHandler(_Handler):
    """The bytes, by range."""

    def do_GET(self) -> None:
        request = self.seen()
        self.hub.stored.append(request)
        fate = self.hub.fates.pop(0) if self.hub.fates else None
        if isinstance(fate, Refused):
            return self.answer(fate.status)
        owner, repo, *parts = urlsplit(self.path).path.strip("/").split("/")
        content = self.hub.sent_instead or self.hub.files[f"{owner}/{repo}", "/".join(parts)]
        start = int(request.range.removeprefix("bytes=").rstrip("-")) if request.range else 0
        end = len(content)
        headers = {"Content-Length": str(end - start)}
        if request.range:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{end}"
        self.close_connection = fate is not None
        return self.answer(206 if request.range else 200, headers, content[start : fate.at if fate else end])
