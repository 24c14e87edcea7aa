"""Binding the listening port, with errors that say what is in the way."""

from __future__ import annotations

import errno
import socket

import grpc

from flowcept.errors import InvalidArgumentError, Reason, UnavailableError

_REMEDIES = {
    errno.EADDRINUSE: "another process listens there: stop it, or choose another port (port 0 takes any free one)",
    errno.EADDRNOTAVAIL: "this machine has no such address: use one of its own, 127.0.0.1 or 0.0.0.0",
    errno.EACCES: "this user may not listen there: choose a port above 1023",
}


def bind(
    server: grpc.Server, listen: str, credentials: grpc.ServerCredentials | None = None, field: str = "listen"
) -> int:
    """Listen on an address.

    Args:
        server: What listens.
        listen: ``host:port``, or ``unix:PATH``.
        credentials: Of TLS; None for none.
        field: The setting that names the address.

    Returns:
        The port; 0 for a unix socket.

    Raises:
        UnavailableError: The port is in use.
        InvalidArgumentError: The address cannot be listened on.
    """
    try:
        port = server.add_insecure_port(listen) if credentials is None else server.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise _explained(field, listen) from error
    return 0 if listen.startswith("unix:") else port


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port``."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def target_of(listen: str, port: int) -> str:
    """The address for clients on this machine, of a listening address and the port that was bound."""
    return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


def unusable(field: str, listen: str, error: OSError) -> UnavailableError | InvalidArgumentError:
    """Why an address cannot be listened on, for whoever set it."""
    remedy = _REMEDIES.get(error.errno or 0, "give an address of this machine, as host:port")
    problem = f"cannot listen on {listen} ({error.strerror or error}): {remedy}"
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(problem, reason=Reason.SERVICE_UNREACHABLE, listen=listen)
    return InvalidArgumentError(problem, field=field, value=listen)


def _explained(field: str, listen: str) -> UnavailableError | InvalidArgumentError:
    """Why binding failed; gRPC does not say, so it is tried once more by hand."""
    try:
        _try(listen)
    except OSError as error:
        return unusable(field, listen, error)
    return UnavailableError(f"cannot listen on {listen}: it was taken for a moment; try again", listen=listen)


def _try(listen: str) -> None:
    if listen.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(listen.removeprefix("unix:"))
        return
    host, port = split_address(listen)
    for family, kind, protocol, _, where in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(where)
            trial.listen()
