"""A TCP link to a service that breaks once, to show that clients carry on."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self


class UnreliableLink:
    """Forwards connections to a target; cuts all that are open once so many bytes went to the target."""

    def __init__(self, target: str, cut_after_bytes: int) -> None:
        host, _, port = target.rpartition(":")
        self._address = (host, int(port))
        self._cut_after = cut_after_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._cut = False
        self.connections = 0
        self.bytes_forwarded = 0

    @property
    def target(self) -> str:
        """Where the link listens, as host:port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self._close_all()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._address)
            except OSError:
                return  # the listener was closed, or the service is gone: the end of the demo
            with self._lock:
                self.connections += 1
                self._sockets += [near, far]
            threading.Thread(target=self._forward, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(far, near, False), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
                if counted and self._count(len(data)):
                    self._close_all()
        except OSError:
            pass  # the other direction closed the pair; both ends see the connection break, which is the point
        finally:
            source.close()
            sink.close()

    def _count(self, size: int) -> bool:
        with self._lock:
            self.bytes_forwarded += size
            due = not self._cut and self.bytes_forwarded >= self._cut_after
            self._cut = self._cut or due
            return due

    def _close_all(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
