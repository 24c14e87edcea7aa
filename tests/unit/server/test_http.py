"""The small HTTP server: what it answers, and that strangers cannot keep it busy."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus

import pytest

from flowcept_service.server.http import MAX_CONNECTIONS, HttpServer, Page, Request
from tests.support.conditions import PATIENCE, eventually

SECONDS = 0.3


def hello(request: Request) -> Page:
    return Page(HTTPStatus.OK, f"hello {request.authorization}".encode())


def broken(request: Request) -> Page:
    raise ZeroDivisionError("secret detail")


@contextmanager
def serving(seconds: float) -> Iterator[HttpServer]:
    """A server on whose connections nothing may last longer than that."""
    pages = {"/hello": hello, "/broken": broken, "/large": lambda _: Page(HTTPStatus.OK, bytes(64 << 20))}
    server = HttpServer("127.0.0.1", 0, pages, seconds)
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with serving(PATIENCE) as server:
        yield server


@pytest.fixture
def impatient() -> Iterator[HttpServer]:
    with serving(SECONDS) as server:
        yield server


def ask(server: HttpServer, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def answers(server: HttpServer) -> bool:
    """Whether a request is answered; a busy machine may take longer than an impatient server waits."""
    try:
        return ask(server, "GET", "/hello")[0] == HTTPStatus.OK
    except (ConnectionError, http.client.HTTPException):
        return False


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def test_a_page_is_made_anew_for_each_request(server: HttpServer) -> None:
    assert ask(server, "GET", "/hello?x=1", Authorization="you") == (200, b"hello you")


def test_head_answers_without_a_body(server: HttpServer) -> None:
    assert ask(server, "HEAD", "/hello") == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(server: HttpServer, method: str) -> None:
    assert ask(server, method, "/hello")[0] == HTTPStatus.NOT_IMPLEMENTED


@pytest.mark.parametrize("path", ["/", "/hello/", "/../etc/passwd", "/hello%00"])
def test_an_unknown_page_is_not_found_and_the_known_ones_are_named(server: HttpServer, path: str) -> None:
    status, body = ask(server, "GET", path)
    assert (status, b"/hello" in body) == (HTTPStatus.NOT_FOUND, True)


def test_a_defect_in_a_page_shows_nothing_of_itself(server: HttpServer) -> None:
    status, body = ask(server, "GET", "/broken")
    assert (status, b"secret" in body) == (HTTPStatus.INTERNAL_SERVER_ERROR, False)


def test_a_client_that_never_ends_its_request_is_cut_off(impatient: HttpServer) -> None:
    with connect(impatient) as slow:
        slow.sendall(b"GET /hello HTTP/1.1\r\nX-Slow: ")
        while True:
            try:
                slow.sendall(b"x")  # each byte alone would be in time
                slow.settimeout(SECONDS / 20)
                assert slow.recv(1000) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                break
            else:
                break
    eventually(lambda: answers(impatient))


def test_more_connections_than_are_allowed_are_closed_and_the_server_recovers(server: HttpServer) -> None:
    with ExitStack() as opened:
        for _ in range(MAX_CONNECTIONS):
            opened.enter_context(connect(server)).sendall(b"GET")
        with connect(server) as further:
            assert _ended(further)
    eventually(lambda: answers(server))


@pytest.mark.parametrize(
    "nonsense", [b"\x00\xff\x16\x03\x01" * 50 + b"\n", b"GET " + b"/" * 70_000, b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
)
def test_nonsense_is_answered_or_cut_off(impatient: HttpServer, nonsense: bytes) -> None:
    with connect(impatient) as client:
        client.sendall(nonsense)
        assert _ended(client)
    eventually(lambda: answers(impatient))


def test_closing_does_not_wait_for_clients() -> None:
    server = HttpServer("127.0.0.1", 0, {}, 60.0)
    server.start()
    with connect(server) as client:
        client.sendall(b"GET")
        server.close()
        assert _ended(client)
    server.close()


def _ended(client: socket.socket) -> bool:
    """Whether the server closes the connection, after whatever it answers."""
    try:
        while client.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def test_a_client_that_does_not_read_its_answer_is_cut_off(impatient: HttpServer) -> None:
    with connect(impatient) as idle:
        idle.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        assert idle.recv(1), "it is being answered"
        eventually(lambda: impatient.connections == 0)
