"""The small HTTP server beside the gRPC one: pages that can be read, for probes, scrapers and people.

It is made to be exposed to strangers: every connection carries one request, lasts seconds at most however slowly its
client sends or reads, and there are few of them at a time.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from flowcept_service.periodic import Periodic

MAX_CONNECTIONS: Final = 32
"""At the same time; a further one is closed at once."""
CONNECTION_SECONDS: Final = 10.0
"""How long a connection may last, the answer included."""
_SWEEP_SECONDS: Final = 0.5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What a page is asked for."""

    authorization: str = ""
    """The header of that name; never to be logged."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers."""


Pages = Mapping[str, Callable[[Request], Page]]
"""What is served, by path."""


class HttpServer:
    """Serves pages until it is closed.

    Args:
        host: Name or address to listen on.
        port: Port; 0 for any free one.
        pages: What is served. Called in several threads at once.
        connection_seconds: How long a connection may last.

    Raises:
        OSError: The address cannot be listened on.
    """

    def __init__(self, host: str, port: int, pages: Pages, connection_seconds: float = CONNECTION_SECONDS) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self._server = _BoundedServer(family, address[:2], pages, connection_seconds)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)
        self._deadlines = Periodic(
            "http-deadlines", self._server.end_slow_connections, lambda: min(_SWEEP_SECONDS, connection_seconds)
        )

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return self._server.connections

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._deadlines.start()

    def close(self) -> None:
        """End, connections under way included. Calling it again does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._deadlines.stop()
        self._server.end_connections()
        self._server.server_close()


class _BoundedServer(ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 makes clients of a busy moment wait for seconds.
    request_queue_size = 4 * MAX_CONNECTIONS
    # Closing must not wait for a client.
    block_on_close = False
    # A second service on the port is an error, not a competitor for connections.
    allow_reuse_port = False

    def __init__(self, family: int, address: Any, pages: Pages, connection_seconds: float) -> None:
        # What the base class asks for when it makes its socket.
        self.address_family = socket.AddressFamily(family)
        self.pages = pages
        self._seconds = connection_seconds
        self._lock = threading.Lock()
        self._deadlines: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._deadlines)

    def server_bind(self) -> None:
        # Not the base class's, which looks its own host name up, for seconds where there is no name server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            room = len(self._deadlines) < MAX_CONNECTIONS
            if room:
                self._deadlines[request] = time.monotonic() + self._seconds
        if room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._deadlines.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that is gone, mostly; its address says nothing that would help.
        del request, client_address
        _log.debug("an HTTP request failed", exc_info=True)

    def end_slow_connections(self) -> None:
        """Cut connections that outlast their time: what their threads wait for then fails at once."""
        self._cut(time.monotonic())

    def end_connections(self) -> None:
        """Cut all connections."""
        self._cut(float("inf"))

    def _cut(self, now: float) -> None:
        with self._lock:
            for connection, deadline in self._deadlines.items():
                if deadline <= now:
                    try:
                        connection.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        continue  # its client was quicker


class _Handler(BaseHTTPRequestHandler):
    server: _BoundedServer
    protocol_version = "HTTP/1.0"  # one request for each connection
    server_version = "flowcept"
    sys_version = ""
    timeout = CONNECTION_SECONDS

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:
        # Probes ask every few seconds; the metrics tell how the service is.
        del format, args

    def _answer(self, *, with_body: bool) -> None:
        page = self._page()
        self.send_response(page.status)
        headers = {
            "Content-Type": page.content_type,
            "Content-Length": str(len(page.body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **page.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)

    def _page(self) -> Page:
        make = self.server.pages.get(urlsplit(self.path).path)
        if make is None:
            known = ", ".join(self.server.pages)
            return Page(HTTPStatus.NOT_FOUND, f"there is no such page; there are: {known}\n".encode())
        try:
            return make(Request(self.headers.get("Authorization", "")))
        except Exception:  # noqa: BLE001 - a defect in a page is for the log; its reader must not see its text
            _log.exception("a page failed for a reason that is not foreseen", path=self.path)
            return Page(HTTPStatus.INTERNAL_SERVER_ERROR, b"the page failed; the log has the details\n")
