"""Where log lines go, and in which form."""

from __future__ import annotations

import logging
import sys

import structlog

from flowcept_service.config import LogOptions


def configure_logging(options: LogOptions) -> None:
    """Send log lines to standard error: standard output belongs to results."""
    level = logging.getLevelNamesMapping()[options.level.upper()]
    as_json = options.format == "json" or (options.format == "auto" and not sys.stderr.isatty())
    if as_json:
        renderer: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        renderer = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What the libraries log by themselves (gRPC on an exception in its own threads).
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
