"""Bytes of documents that are being read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from bson import ObjectId


class HeldBytes:
    """Keeps the bytes of payloads as long as somebody reads them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[ObjectId, tuple[int, bytes]] = {}

    def get(self, payload_id: ObjectId | None) -> bytes | None:
        """The bytes, if they are held."""
        held = self._held.get(payload_id) if payload_id is not None else None
        return None if held is None else held[1]

    @contextmanager
    def hold(self, payload_id: ObjectId, data: bytes | None) -> Iterator[None]:
        """While held, the bytes can be got; without data, nothing is held."""
        if data is None:
            yield
            return
        with self._lock:
            readers = self._held.get(payload_id, (0, data))[0]
            self._held[payload_id] = (readers + 1, data)
        try:
            yield
        finally:
            with self._lock:
                readers, data = self._held.pop(payload_id)
                if readers > 1:
                    self._held[payload_id] = (readers - 1, data)
