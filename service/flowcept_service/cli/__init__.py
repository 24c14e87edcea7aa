"""The command ``flowcept-service``."""

from flowcept_service.cli.commands import main

__all__ = ["main"]
