"""The connection to the service: one channel, its stubs, and the three ways to call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2

from flowcept.config import ClientSettings
from flowcept.errors import CancelledError, DeadlineError, FlowceptError, Reason, UnavailableError
from flowcept.transport._channel import open_channel
from flowcept.transport._errors import translated
from flowcept.transport._retry import Patience, Timing
from flowcept.transport._stream import ResponseStream, idle_error
from flowcept.transport._token import Metadata, TokenSource
from flowcept.transport._trace import trace_metadata
from flowcept.transport._watchdog import Watchdog
from flowcept.v1 import blob_store_service_pb2 as pb
from flowcept.v1.blob_store_service_pb2_grpc import BlobStoreStub
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub

Request = TypeVar("Request")
Response = TypeVar("Response")

_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_UPLOAD = "/flowcept.v1.BlobStore/Upload"
_DOWNLOAD = "/flowcept.v1.BlobStore/Download"


class Stubs:
    """Everything that can be called over one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.blobs = BlobStoreStub(channel)
        self.provenance = ProvenanceStub(channel)
        self.health_check: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = channel.unary_unary(
            _HEALTH_CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
        )
        # Payload bytes pass as they are on the wire (see flowcept.framing).
        self.upload: grpc.StreamUnaryMultiCallable[bytes, pb.UploadResponse] = channel.stream_unary(
            _UPLOAD, None, pb.UploadResponse.FromString
        )
        # A stream of one message and a unary request are the same bytes on the wire; the latter needs no thread.
        self.upload_whole: grpc.UnaryUnaryMultiCallable[pb.UploadRequest, pb.UploadResponse] = channel.unary_unary(
            _UPLOAD, pb.UploadRequest.SerializeToString, pb.UploadResponse.FromString
        )
        self.download: grpc.UnaryStreamMultiCallable[pb.DownloadRequest, bytes] = channel.unary_stream(
            _DOWNLOAD, pb.DownloadRequest.SerializeToString, None
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """Stubs, and the process that may use them."""

    pid: int
    stubs: Stubs


class Connection:
    """A connection to the service, opened on first use, shared by any number of threads.

    **Forks.** A channel does not survive ``fork``: a child process gets a channel of its own on first use. gRPC's
    threads do not survive either, so fork before the first call or while none is running, or start workers with the
    ``spawn`` or ``forkserver`` method.

    Every method raises the errors of ``flowcept.errors``, never those of gRPC.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        timing: Timing | None = None,
        channel_factory: Callable[[ClientSettings], grpc.Channel] = open_channel,
    ) -> None:
        self.settings = settings
        self.timing = timing or Timing()
        self._channel_factory = channel_factory
        self._token = TokenSource(settings)
        self._watchdog = Watchdog(settings.idle_timeout, self.timing.clock)
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._inherited: list[Opened] = []
        self._closed = False

    def call(
        self,
        method: Callable[[Stubs], grpc.UnaryUnaryMultiCallable[Request, Response]],
        request: Request,
        *,
        timeout: float | None = None,
        wait_for_ready: bool = False,
    ) -> Response:
        """One request, one response, within ``timeout`` seconds (``settings.timeout`` when not given).

        ``wait_for_ready`` makes a call that finds no connection wait for one instead of failing.
        """
        deadline = self.settings.timeout if timeout is None else timeout
        try:
            with translated(self.settings.target):
                return method(self.stubs())(
                    request, timeout=deadline, metadata=self._metadata(), wait_for_ready=wait_for_ready
                )
        except CancelledError as error:
            if self._closed:
                raise
            # We did not cancel it: a server that stops does so with calls that it has not begun (those that it has
            # begun end as unavailable when it loses patience with them).
            raise UnavailableError(
                f"{self.settings.target} ended the call: {error}", reason=Reason.DRAINING, target=self.settings.target
            ) from None

    def call_unrepeatable(
        self, method: Callable[[Stubs], grpc.UnaryUnaryMultiCallable[Request, Response]], request: Request
    ) -> Response:
        """Like ``call``, for what must not be asked for twice once it may have happened.

        It is repeated only where the service refuses because it shuts down: that one has done nothing, and the next
        attempt reaches another one, or its successor. For the same reason it waits for a connection before it is made.
        """
        patience = Patience(self.settings.retry, self.settings.idle_timeout, self.timing)
        while True:
            try:
                return self.call(method, request, wait_for_ready=self._connected())
            except UnavailableError as error:
                if error.reason is not Reason.DRAINING:
                    raise
                patience.wait(error)

    def _connected(self) -> bool:
        """Whether the service answers, at once or within ``settings.connect_timeout`` seconds.

        gRPC tries an address that was away a moment ago only after a while, and fails calls until then. Calls that may
        be repeated bridge that by repetition; others ask first.
        """
        if self.settings.retry.max_attempts == 1:
            return False
        try:
            self.call(
                lambda stubs: stubs.health_check,
                health_pb2.HealthCheckRequest(),
                timeout=self.settings.connect_timeout,
                wait_for_ready=True,
            )
        except (UnavailableError, DeadlineError):
            return False  # the call itself says why
        except FlowceptError:
            return True  # an answer, though from something that has no health service
        return True

    def stream(
        self, method: Callable[[Stubs], grpc.UnaryStreamMultiCallable[Request, Response]], request: Request
    ) -> ResponseStream[Response]:
        """One request, many responses. Close the stream, or use it as a context manager."""
        with translated(self.settings.target):
            call = method(self.stubs())(request, metadata=self._metadata())
        return ResponseStream(call, self._watchdog, self.settings.target)

    def send(
        self,
        method: Callable[[Stubs], grpc.StreamUnaryMultiCallable[Request, Response]],
        requests: Iterator[Request],
        idle_since: Callable[[], float | None],
    ) -> Response:
        """Many requests, one response.

        Args:
            method: What to call.
            requests: The requests, in order; gRPC takes them in a thread of its own, one by one, as it can send them.
            idle_since: When the service last took something, by ``timing.clock``; None while there is nothing for it to
                take.

        Raises:
            DeadlineError: Nothing moved for ``settings.idle_timeout`` seconds.
        """
        with translated(self.settings.target):
            call = method(self.stubs()).future(requests, metadata=self._metadata())
        limit = self.settings.idle_timeout
        try:
            while True:
                try:
                    with translated(self.settings.target):
                        return call.result(timeout=min(limit / 4, 5.0))
                except grpc.FutureTimeoutError:
                    since = idle_since()
                    if since is not None and self.timing.clock() - since > limit:
                        raise idle_error(limit) from None
                except grpc.FutureCancelledError:
                    raise CancelledError("the upload was cancelled") from None
        finally:
            call.cancel()

    def _metadata(self) -> Metadata:
        """What goes with a call that is made now."""
        return self._token.metadata() + trace_metadata(self.settings.traceparent)

    def is_serving(self, *, timeout: float | None = None) -> bool:
        """Whether the service says that it is ready (the standard gRPC health service)."""
        response = self.call(lambda stubs: stubs.health_check, health_pb2.HealthCheckRequest(), timeout=timeout)
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    def stubs(self) -> Stubs:
        """What can be called, over the channel of this process.

        Raises:
            CancelledError: The connection was closed.
        """
        opened = self._opened
        if opened is not None and opened.pid == os.getpid():
            return opened.stubs
        with self._lock:
            return self._open()

    def close(self) -> None:
        """Close the channel; calls under way fail, later ones raise CancelledError."""
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, None
        if opened is not None and opened.pid == os.getpid():
            opened.stubs.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Stubs:
        if self._closed:
            raise CancelledError("the connection was closed by this program; make a new one")
        if self._opened is not None and self._opened.pid != os.getpid():
            # The parent's channel: closing or freeing it here would wait for threads that only the parent has.
            self._inherited.append(self._opened)
            self._opened = None
            self._watchdog = Watchdog(self.settings.idle_timeout, self.timing.clock)
        if self._opened is None:
            self._opened = Opened(os.getpid(), Stubs(self._channel_factory(self.settings)))
        return self._opened.stubs
