"""Ports for processes that cannot choose one by themselves, or that come back on the one that they had."""

from __future__ import annotations

import socket
from weakref import finalize


class ReservedPort:
    """A port of 127.0.0.1 that nobody is given by chance, as long as this object lives.

    The kernel hands out no port that a socket is bound to. Yet a server that names the port may listen on it: with
    SO_REUSEADDR, which servers set, it is in nobody's way who only holds it.
    """

    def __init__(self) -> None:
        held = socket.socket()
        finalize(self, held.close)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        self.number: int = held.getsockname()[1]
