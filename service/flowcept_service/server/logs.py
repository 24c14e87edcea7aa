"""Where log lines go, and in which form."""

from __future__ import annotations

import logging
import sys

import structlog

from flowcept_service.config import LogOptions
from flowcept_service.rpc.principal import current_principal


def configure_logging(options: LogOptions) -> None:
    """Send log lines to standard error: standard output belongs to results."""
    level = logging.getLevelNamesMapping()[options.level.upper()]
    as_json = options.format == "json" or (options.format == "auto" and not sys.stderr.isatty())
    gathered: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_principal,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        renderer: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        renderer = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[*gathered, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What the libraries log by themselves (gRPC on an exception in its own threads), in the same form.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
            foreign_pre_chain=[*gathered, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def _name_principal(
    logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say who makes the call that a line is about."""
    del logger, method
    if "request_id" in event:
        event["principal"] = current_principal().name
    return event
