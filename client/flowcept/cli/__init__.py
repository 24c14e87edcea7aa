"""The command ``flowcept``."""

from __future__ import annotations

from flowcept.cli._main import main

__all__ = ["main"]
