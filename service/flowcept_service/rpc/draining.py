"""Refusing new calls while the service shuts down, and waiting for those under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Condition

import grpc

from flowcept.errors import Reason, UnavailableError
from flowcept_service.rpc.handlers import SurroundingInterceptor


class Admission(SurroundingInterceptor):
    """Lets calls in until ``close``, and counts those under way."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = Condition()
        self._active: Counter[str] = Counter()
        self._closed = False

    @property
    def active(self) -> int:
        """How many calls are under way."""
        return self._active.total()

    def active_by_method(self) -> Mapping[str, int]:
        """How many calls of each method are under way, of those that have any."""
        with self._changed:
            return +self._active

    def close(self) -> None:
        """Refuse every further call with UnavailableError (DRAINING)."""
        with self._changed:
            self._closed = True

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no call is under way, or the seconds have passed; whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._active.total(), timeout)

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        with self._changed:
            if self._closed:
                raise UnavailableError(
                    "the service is shutting down; try again in a moment, against another replica if there is one",
                    reason=Reason.DRAINING,
                )
            self._active[method] += 1
        try:
            yield
        finally:
            with self._changed:
                self._active[method] -= 1
                self._changed.notify_all()
