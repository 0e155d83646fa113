# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server on loopback that serves correct and faulty responses."""

from __future__ import annotations

import http.server
import ssl
import threading
import typing as t

Responder = t.Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """Serves ``routes``: a path's bytes, or a function that responds; records each request's path and headers."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, bytes | Responder] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connect: Responder = lambda handler: handler.send_error(501)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                response = server.routes.get(self.path)
                if callable(response):
                    response(self)
                elif response is None:
                    self.send_error(404)
                else:
                    send(self, response)

            def do_CONNECT(self) -> None:
                server.connect(self)

            def log_message(self, format: str, *args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def paths(self) -> list[str]:
        return [path for path, _headers in self.requests]


def send(handler: http.server.BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)
