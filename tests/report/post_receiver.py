"""An HTTP server that keeps what is posted to it."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Post:
    """One request; what was compressed with gzip is unpacked."""

    path: str
    headers: dict[str, str]
    body: bytes


class PostReceiver:
    """Answers with `status`; a refusal says `refusal`. `posted` holds the requests so far."""

    def __init__(self, *, status: int = 200, refusal: bytes = b"") -> None:
        self.status = status
        self.refusal = refusal
        self.posted: list[Post] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                receiver.posted.append(Post(self.path, dict(self.headers), body))
                said = receiver.refusal if receiver.status >= 300 else b""
                self.send_response(receiver.status)
                if receiver.status != 204:
                    self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *arguments: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
