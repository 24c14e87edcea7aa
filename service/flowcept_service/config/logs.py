"""Settings of the log."""

from __future__ import annotations

from dataclasses import dataclass

from flowcept.config_values import boolean
from flowcept_service.config.declaring import one_of, setting


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is logged, on standard error."""

    level: str = setting("info", one_of("debug", "info", "warning", "error"), env="LOG_LEVEL")
    """Least level that is logged: debug (every call), info, warning or error."""

    every_call: bool = setting(False, boolean, env="LOG_CALLS")
    """Whether every call has a line at the level info, an access log; else only those that fail in earnest have one."""

    format: str = setting("auto", one_of("auto", "console", "json"), env="LOG_FORMAT")
    """``json`` for machines, ``console`` for people; ``auto``: console on a terminal, else JSON."""
