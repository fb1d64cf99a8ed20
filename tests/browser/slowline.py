"""A slow line to a server, for a browser that waits."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.serving import Serving


@dataclass
class Line:
    """A way to a server that lets events of a search through one by one, as the test says.

    Everything else passes at once. `cut` ends the line in the middle of an answer.
    """

    url: str
    _passes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _is_cut: bool = False

    def let_through(self, events: int = 1) -> None:
        self._passes.release(events)

    def cut(self) -> None:
        self._is_cut = True
        self._passes.release()

    def open_for_good(self) -> None:
        self._passes.release(1000)

    def wait(self) -> bool:
        """Wait for the next event's turn; whether the line still stands then."""
        self._passes.acquire()
        return not self._is_cut


@contextmanager
def line_to(server: Serving) -> Iterator[Line]:
    """Put a slow line before a server."""
    listening = _Listening(("127.0.0.1", 0), _Forwarding)
    line = Line(f"http://127.0.0.1:{listening.server_port}")
    _Forwarding.ends[listening.server_port] = (line, server.url.removeprefix("http://"))
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield line
    finally:
        line.open_for_good()
        listening.shutdown()
        listening.server_close()
        thread.join()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    """A browser asks for many thumbnails at once, each on a connection of its own."""


class _Forwarding(BaseHTTPRequestHandler):
    """Hands requests on; holds back what is a stream of events."""

    ends: dict[int, tuple[Line, str]] = {}  # noqa: RUF012  # by the port of the line
    server: ThreadingHTTPServer

    def do_GET(self) -> None:
        line, address = self.ends[self.server.server_port]
        size = int(self.headers.get("Content-Length") or 0)
        upstream = http.client.HTTPConnection(address, timeout=60)
        try:
            headers = dict(self.headers.items())
            upstream.request(self.command, self.path, self.rfile.read(size) or None, headers)
            answer = upstream.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.end_headers()
            self._pass_on(answer, line)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the page went elsewhere
        finally:
            upstream.close()
            self.close_connection = True

    do_POST = do_GET  # noqa: N815  # http.server finds it by this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its base's name
        """Say nothing: pytest has the screen."""

    def _pass_on(self, answer: http.client.HTTPResponse, line: Line) -> None:
        if not (answer.getheader("Content-Type") or "").startswith("text/event-stream"):
            self.wfile.write(answer.read())
            return
        for event in answer.read().split(b"\n\n"):
            if not line.wait():
                return
            self.wfile.write(event + b"\n\n")
            self.wfile.flush()
