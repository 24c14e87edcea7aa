"""File descriptors: every connection takes one, and many systems grant few unless they are asked for more."""

from __future__ import annotations

import resource
from typing import Final

import structlog

RESERVED: Final = 512
"""For the store, the metrics, and what else is open."""

_log = structlog.get_logger(__name__)


def allow_connections(connections: int) -> bool:
    """Raise this process's limit so that so many connections fit, as far as it may; whether they do."""
    wanted = connections + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return True
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    if granted < wanted:
        _log.warning(
            "fewer connections fit than are allowed; raise the limit of open files (ulimit -n) or lower "
            "FLOWCEPT_SERVICE_MAX_CONNECTIONS",
            max_connections=connections,
            open_files=granted,
        )
    return granted >= wanted
