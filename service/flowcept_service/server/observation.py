"""Everything through which a running service is watched, apart from its log: probes, metrics and pages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2_grpc

from flowcept.errors import InvalidArgumentError
from flowcept_service.config import ConnectionOptions, ObservabilityOptions
from flowcept_service.server.health import Health
from flowcept_service.server.http import HttpServer, Page, Pages
from flowcept_service.server.listening import bind, split_address, unusable
from flowcept_service.server.metrics.registry import CONTENT_TYPE, Metrics
from flowcept_service.server.options import server_options
from flowcept_service.server.probing import StoreProbe

if TYPE_CHECKING:
    from flowcept_service.server.tracing import Tracing

_MAX_PROBES = 64
"""Probes at the same time on their own port."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The parts that are started before a service answers, and end after it has drained."""

    health: Health
    probe: StoreProbe
    metrics: Metrics
    tracing: Tracing | None
    http: HttpServer | None
    health_server: grpc.Server | None
    health_port: int
    """The port of the health server; 0 when there is none."""

    @classmethod
    def open(
        cls,
        options: ObservabilityOptions,
        *,
        health: Health,
        probe: StoreProbe,
        metrics: Metrics,
        tracing: Tracing | None,
        pages: Pages,
    ) -> Observation:
        """Bind the ports that the settings name.

        Args:
            options: The settings.
            health: The answers to probes.
            probe: Looks at the store.
            metrics: What is measured.
            tracing: Makes spans; None where nobody wants them.
            pages: What the HTTP server has besides probes and metrics.

        Raises:
            UnavailableError: A port is in use.
            InvalidArgumentError: An address cannot be listened on.
        """
        own: Pages = {
            "/livez": lambda _: _probe_page(health.not_alive),
            "/readyz": lambda _: _probe_page(health.not_ready),
            "/metrics": lambda _: Page(HTTPStatus.OK, metrics.exposition(), CONTENT_TYPE),
        }
        server, port = _health_server(options.health_listen, health)
        http = _http_server(options.http_listen, {**own, **pages})
        return cls(health, probe, metrics, tracing, http, server, port)

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are open, by what is there: whoever lets the system choose wants to be told."""
        http = {} if self.http is None else {"http_port": self.http.port}
        return http if self.health_server is None else {**http, "health_port": self.health_port}

    def start(self) -> None:
        """Look at the store, then begin to answer."""
        self.probe.start()
        if self.health_server is not None:
            self.health_server.start()
        if self.http is not None:
            self.http.start()

    def stop(self) -> None:
        """End."""
        if self.http is not None:
            self.http.close()
        if self.health_server is not None:
            self.health_server.stop(None).wait()
        self.probe.stop()
        if self.tracing is not None:
            self.tracing.close()


def open_tracing(options: ObservabilityOptions) -> Tracing | None:
    """What makes spans; None unless the settings name a collector.

    Raises:
        InvalidArgumentError: The extra that it needs is not installed, or the address is none.
    """
    if options.trace_endpoint is None:
        return None
    try:
        from flowcept_service.server.tracing import Tracing
    except ImportError as error:
        raise InvalidArgumentError(
            f"FLOWCEPT_SERVICE_TRACE_ENDPOINT is set, and {error.name} is not installed; install the extra that traces "
            "need, pip install 'flowcept-service[tracing]', or unset it",
            field="trace_endpoint",
        ) from error
    return Tracing.to_collector(options.trace_endpoint, options.trace_ratio)


def _health_server(listen: str | None, health: Health) -> tuple[grpc.Server | None, int]:
    if listen is None:
        return None, 0
    pool = ThreadPoolExecutor(2, thread_name_prefix="health")
    server = grpc.server(pool, options=server_options(ConnectionOptions()), maximum_concurrent_rpcs=_MAX_PROBES)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    return server, bind(server, listen, field="health_listen")


def _http_server(listen: str | None, pages: Pages) -> HttpServer | None:
    if listen is None:
        return None
    try:
        return HttpServer(*split_address(listen), pages)
    except OSError as error:
        raise unusable("http_listen", listen, error) from error


def _probe_page(problem: str) -> Page:
    if problem:
        return Page(HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n".encode())
    return Page(HTTPStatus.OK, b"ok\n")
