"""A real web server of pictures and of what may come instead of them."""

from __future__ import annotations

import gzip
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PICTURE = b"\x89PNG" + b"p" * 4000


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WebServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        kind, _, rest = self.path.removeprefix("/").partition("/")
        getattr(self, f"_{kind}")(rest)

    def _picture(self, kind: str) -> None:
        self._answer(self.server.content, {"Content-Type": kind or "image/png"})

    def _untyped(self, _rest: str) -> None:
        self._answer(self.server.content, {})

    def _status(self, code: str) -> None:
        self._answer(b"inner secrets", {"Content-Type": "image/png"}, int(code))

    def _packed(self, _rest: str) -> None:
        packed = gzip.compress(b"\0" * 10_000_000)
        self._answer(packed, {"Content-Type": "image/png", "Content-Encoding": "gzip"})

    def _to(self, place: str) -> None:
        self._answer(b"", {"Location": place.replace("|", "/")}, 302)

    def _hops(self, left: str) -> None:
        self._to(f"/hops/{int(left) - 1}" if int(left) else "/picture/image/png")

    def _endless(self, _rest: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while not self.server.stopping.is_set():
                self.wfile.write(b"x" * 65_536)
        except OSError:
            pass  # whoever asked has hung up
        self.close_connection = True

    def _slow(self, _rest: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            while not self.server.stopping.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def _pair(self, _rest: str) -> None:
        with self.server.counting:
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.under_way, self.server.most_under_way)
        self.server.pairing.wait()
        self.server.stopping.wait(0.05)  # time for more to come than should
        with self.server.counting:
            self.server.under_way -= 1
        self._picture("")

    def _answer(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class WebServer(ThreadingHTTPServer):
    """Answers on a free port of 127.0.0.1, and notes what it is asked for.

    A path says what comes: `picture/TYPE`, `status/CODE`, `to/PLACE` (a redirect, with | for /),
    `hops/N`, `packed`, `endless`, `slow`, `pair` (the picture, once two ask for it).
    """

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None, content: bytes = PICTURE) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.under_way = self.most_under_way = 0
        self.counting = threading.Lock()
        self.pairing = threading.Barrier(2, timeout=120)
        self.stopping = threading.Event()
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
