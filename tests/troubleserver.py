"""A real HTTP server that misbehaves as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}
EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}

KEY = "bs_0123456789abcdefghijklmnopqrstuvwxyz"
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
FOUND: dict[str, object] = {"hits": [], "count": 0, "candidates": 0, "timings": {}}
"""What a search answers that found nothing."""
DETAIL: dict[str, object] = {
    "id": 7,
    "status": "indexed",
    "reason": "",
    "source": "/pictures",
    "path": "boat.png",
    "bytes": 1,
    "sha256": "0",
    "width": 1,
    "height": 1,
    "format": "PNG",
    "taken_at": None,
    "camera": None,
    "lens": None,
    "latitude": None,
    "longitude": None,
    "tags": [],
    "metadata": {},
    "captions": [],
    "answers": [],
}
"""What is known of an image."""


def event(kind: str, value: object) -> bytes:
    """An event of a stream."""
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


RANKING = event("ranking", FOUND)
MATCHES = event("matches", {"matches": [], "reranked": 1, "candidates": 2})
RESULT = event("result", FOUND)


@dataclass(frozen=True)
class Reply:
    """One answer.

    `missing` bytes of the body that was promised do not come, `before` seconds pass before
    anything does, and with `hang_up` nothing does. `chunks` instead of a body are sent one by one,
    `between` seconds apart; with `torn` the last one never comes.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0
    before: float = 0.0
    hang_up: bool = False
    chunks: tuple[bytes, ...] = ()
    between: float = 0.0
    torn: bool = False


@dataclass(frozen=True)
class Asked:
    """One request, when it came, and from which port: requests of one connection share it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int
    at: float


def said(value: object, status: int = 200, **headers: str) -> Reply:
    """An answer in JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), JSON | named)


def refused(status: int, code: str, message: str = "no", **headers: str) -> Reply:
    """An error in the service's form."""
    return said({"error": {"code": code, "message": message, "detail": {}}}, status, **headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a chunk goes when it is written
    server: TroubleServer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        asked = Asked(
            self.command,
            self.path,
            dict(self.headers.items()),
            body,
            int(self.client_address[1]),
            time.monotonic(),
        )
        reply = self.server.next_reply(asked)
        self.server.stopping.wait(reply.before)
        if reply.hang_up:
            self.close_connection = True
            return
        try:
            self._send(reply)
        except OSError:  # whoever asked has left
            self.server.left.set()
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815  # the names are http.server's

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunks:
            self._send_chunks(reply)
            return
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body) + reply.missing))
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.missing:
            self.close_connection = True

    def _send_chunks(self, reply: Reply) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in reply.chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
            self.server.stopping.wait(reply.between)
        if reply.torn:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class TroubleServer(ThreadingHTTPServer):
    """Answers on a free port of 127.0.0.1: with one reply after the other, the last one for ever.

    `asked` are the requests that came. `left` is set once somebody left before the end.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self.stopping = threading.Event()
        self.left = threading.Event()
        self._replies: list[Reply] = [refused(500, "unprepared")]
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def will(self, *replies: Reply) -> None:
        """Say what to answer from now on."""
        self._replies = list(replies)

    def next_reply(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
