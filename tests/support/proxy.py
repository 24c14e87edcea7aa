"""A TCP proxy that breaks connections on purpose."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Self

_PIECE = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with zero seconds: closing sends RST


class Break(Enum):
    """How a connection breaks."""

    CLOSE = "close"
    """Both ends are closed, in order."""
    RESET = "reset"
    """Both ends get a reset, as from a router that lost its tables."""
    FREEZE = "freeze"
    """Nothing passes any more, and nobody is told: the half-open connection."""


@dataclass(frozen=True)
class Fault:
    """When and how one connection breaks."""

    after_sent: int | None = None
    """Once the client has sent so many bytes."""
    after_received: int | None = None
    """Once the client was sent so many bytes."""
    kind: Break = Break.CLOSE


class FaultyProxy:
    """Forwards connections to a target. Each fault breaks one connection, in the order in which they are made.

    Args:
        target: `host:port` to forward to.
        *faults: What happens to the first connections; later ones are fine.
        delay: Seconds by which each piece is held back, in both directions.
    """

    def __init__(self, target: str, *faults: Fault, delay: float = 0.0) -> None:
        host, _, port = target.rpartition(":")
        self._upstream = (host, int(port))
        self.faults = deque(faults)
        self.delay = delay
        self.connections = 0
        """How many connections were made."""
        self.broken = 0
        """How many were broken on purpose."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._closed = threading.Event()

    @property
    def target(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._listener.close()
        for item in list(self._sockets):
            _close(item)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(self._upstream)
            except OSError:
                _close(client)  # the server is away, and the client sees that
                continue
            self.connections += 1
            fault = self.faults.popleft() if self.faults else Fault()
            self._sockets += [client, server]
            for source, sink, limit in (
                (client, server, fault.after_sent),
                (server, client, fault.after_received),
            ):
                pump = threading.Thread(target=self._pump, args=(source, sink, limit, fault.kind), daemon=True)
                pump.start()

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None, kind: Break) -> None:
        passed = 0
        with contextlib.suppress(OSError):  # the other direction closed both
            while True:
                wanted = _PIECE if limit is None else min(_PIECE, limit - passed)
                if wanted <= 0:
                    self.broken += 1
                    self._break(source, sink, kind)
                    return
                piece = source.recv(wanted)
                if not piece:
                    break
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(piece)
                passed += len(piece)
        _close(source)
        _close(sink)

    def _break(self, source: socket.socket, sink: socket.socket, kind: Break) -> None:
        if kind is Break.FREEZE:
            self._closed.wait()
            return
        for item in (source, sink):
            if kind is Break.RESET:
                item.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            _close(item)


def _close(item: socket.socket) -> None:
    with contextlib.suppress(OSError):
        item.shutdown(socket.SHUT_RDWR)
    item.close()
