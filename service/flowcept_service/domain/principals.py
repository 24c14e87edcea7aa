"""Who calls, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """A right. They do not contain one another: a principal that may write but not read is possible."""

    READ = "read"
    """Read metadata, payloads, records and events; move and delete durable consumers."""
    PUBLISH = "publish"
    """Publish messages."""
    WRITE = "write"
    """Upload payloads and change objects."""
    ADMIN = "admin"
    """Delete records and objects, and see the state of the service. Contains all others."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose credentials were checked."""

    name: str
    """The name of its token, or the subject of its JWT or certificate; never the credential itself."""

    scopes: frozenset[Scope]
    """Its rights."""

    campaigns: frozenset[str] | None = None
    """The campaigns that it is confined to; None: every one, and records and objects of none."""

    def has(self, scope: Scope) -> bool:
        """Whether it has a right."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


NOBODY = Principal("", frozenset(), frozenset())
"""A caller whose credentials were not checked yet: it may do nothing, and sees nothing."""

ANYBODY = Principal("anonymous", frozenset(Scope))
"""Every caller of a service without authentication."""
