"""The chain that every call goes through, as a literal list with the reason for each place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc

from flowcept.errors import Reason
from flowcept_service.config import LimitOptions
from flowcept_service.domain.principals import ANYBODY, NOBODY
from flowcept_service.query import Foreground
from flowcept_service.rpc.draining import Admission
from flowcept_service.rpc.foreground import ForegroundCalls
from flowcept_service.rpc.interceptors import Coding, ErrorMapping, RequestLog, ThreadPools
from flowcept_service.rpc.metering import Metering
from flowcept_service.rpc.shares import Share, Shares
from flowcept_service.rpc.waiting import AwaitedRequests, DeferredRequests, IdleStreams, Waits
from flowcept_service.server.methods import DOWNLOAD, QUERY, REFLECT, SUBSCRIBE, UPLOAD
from flowcept_service.server.metrics.calls import CallMetrics


def interceptors(
    *,
    pools: Mapping[str, ThreadPoolExecutor],
    new_id: Callable[[], str],
    calls: CallMetrics,
    admission: Admission,
    access: Sequence[grpc.ServerInterceptor],
    tracing: grpc.ServerInterceptor | None,
    log_every_call: bool,
    foreground: Foreground,
    waits: Waits,
    limits: LimitOptions,
) -> list[grpc.ServerInterceptor]:
    """The interceptors in their order, the outermost first.

    Args:
        pools: The threads of the methods that hold theirs for long.
        new_id: Makes request ids.
        calls: Counts calls.
        admission: Lets calls in.
        access: Decide who may call what; none where everybody may.
        tracing: Makes spans; None where nobody wants them.
        log_every_call: Whether calls that went well have a line in the log too.
        foreground: Told which calls are at work.
        waits: Ends calls that wait for their client for too long.
        limits: How long that is, and how much one principal may do at the same time.
    """
    return [
        # First, because gRPC reads the pool from the outermost function of a handler.
        ThreadPools(pools),
        # Outside of all that looks at calls: these see each method as the contract has it.
        DeferredRequests(),
        # Around everything that takes time, and around the errors, so that it sees how a call ended.
        RequestLog(time.monotonic, new_id, NOBODY if access else ANYBODY, every_call=log_every_call),
        # As far out as the log, so that what is refused is counted too.
        Metering(calls.meter_of, time.monotonic),
        # Inside the log, so that its last line has the trace; around the errors, so that a span has the status.
        *([] if tracing is None else [tracing]),
        # Everything inside raises errors of ours; everything outside sees statuses.
        ErrorMapping(calls.refused),
        # Inside the error mapping, so that a refused call gets its reason; before any work.
        admission,
        # Before anything is decoded: strangers cost a look at their credentials and nothing more.
        *access,
        # Behind who calls, before what is asked: what is over its share must not be received.
        Shares(
            {
                UPLOAD: Share("uploads", limits.uploads_per_principal, Reason.TOO_MANY_UPLOADS),
                DOWNLOAD: (reads := Share("downloads", limits.downloads_per_principal, Reason.QUOTA_EXCEEDED)),
                QUERY: reads,
                SUBSCRIBE: Share("subscriptions", limits.subscriptions_per_principal, Reason.TOO_MANY_SUBSCRIPTIONS),
            }
        ),
        # From here on the request is needed. Who is admitted and sends none holds a thread, but not for long.
        AwaitedRequests(waits, limits.request_seconds, max(1, limits.max_calls // 2)),
        # Behind all that is refused or only waits, or strangers could keep every scan back. Queries look after it
        # themselves, and subscriptions are hardly ever at work.
        ForegroundCalls(foreground, frozenset({QUERY, SUBSCRIBE})),
        # Not subscriptions: a slow subscriber costs nothing, and is told apart from a dead one by keepalive.
        IdleStreams(waits, limits.idle_seconds, frozenset({UPLOAD, DOWNLOAD, QUERY, REFLECT})),
        # Last: what is inside sees decoded messages.
        Coding(),
    ]
