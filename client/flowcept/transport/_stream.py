"""Reading the responses of a streaming call."""

from __future__ import annotations

from typing import Generic, Protocol, Self, TypeVar

from flowcept.errors import CancelledError, DeadlineError, FlowceptError, UnavailableError
from flowcept.transport._errors import translated
from flowcept.transport._watchdog import Watchdog

Response = TypeVar("Response")
Response_co = TypeVar("Response_co", covariant=True)


class StreamingCall(Protocol[Response_co]):
    """What gRPC returns for a streaming call, as far as it is used here."""

    def __next__(self) -> Response_co:
        """The next response."""
        ...

    def cancel(self) -> object:
        """End the call."""
        ...


class ResponseStream(Generic[Response]):
    """The responses of a streaming call: an iterator that breaks off when the service falls silent."""

    def __init__(self, call: StreamingCall[Response], watchdog: Watchdog, target: str) -> None:
        self._call = call
        self._watchdog = watchdog
        self._watch = watchdog.watch(call.cancel)
        self._target = target
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Response:
        """The next response.

        Raises:
            DeadlineError: None came for ``settings.idle_timeout`` seconds.
            UnavailableError: The stream broke.
        """
        if self._closed:
            raise StopIteration
        self._watch.arm()
        try:
            with translated(self._target):
                return next(self._call)
        except StopIteration:
            self.close()
            raise
        except FlowceptError as error:
            self.close()
            if self._watch.expired:
                raise idle_error(self._watchdog.timeout) from None
            if isinstance(error, CancelledError):
                # We did not cancel it: a server or proxy that stops does so.
                raise UnavailableError(f"{self._target} ended the stream: {error}") from None
            raise
        finally:
            self._watch.disarm()

    def close(self) -> None:
        """End the call. Safe from another thread, which then ends the iteration with an error."""
        self._closed = True
        self._watchdog.forget(self._watch)
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def idle_error(limit: float) -> DeadlineError:
    """The error for a stream that was idle for ``limit`` seconds."""
    return DeadlineError(
        f"nothing moved for {limit:g} s, so the stream was broken off; FLOWCEPT_IDLE_TIMEOUT sets how long to wait"
    )
