"""How the MongoDB store is set up, and how its connection string is kept out of sight."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final
from urllib.parse import unquote

DEFAULT_DATABASE: Final = "flowcept"
HIDDEN: Final = "***"
# Up to the last "@", however badly a password may be escaped: hiding too much is harmless.
_USER_INFO = re.compile(r"^([a-z+]*://)?(.*)@", re.DOTALL | re.IGNORECASE)
_SECRET_OPTION = re.compile(r"((?:password|authmechanismproperties)=)([^&]*)", re.IGNORECASE)
_DATABASE = re.compile(r"://(?:.*@)?[^/]*/([^?/]+)", re.DOTALL)


@dataclass(frozen=True, slots=True, repr=False)
class MongodbSettings:
    """Where the database is, and how the store uses it."""

    uri: str
    """Connection string; its options take precedence over ours, except for write concern, read concern and retries."""
    database: str = ""
    """Name of the database; empty: the one that the URI names, or ``flowcept``, the default of Flowcept itself."""
    connect_seconds: float = 5.0
    """How long to look for the primary before a call is answered UNAVAILABLE, and to wait for a connection."""
    retry_seconds: float = 15.0
    """How long a transaction that failed for a passing reason (an election, a conflict) is repeated."""
    write_seconds: float = 30.0
    """How long a write may wait for the majority of the replica set."""
    flush_interval: float = 0.0
    """Seconds that a change may wait for others to share its commit. 0: what waits meanwhile forms the next."""
    flush_size: int = 1000
    """Number of changes that ends such a wait early."""
    commit_bytes: int = 8 << 20
    """About how many bytes one commit writes at most."""
    payload_writers: int = 4
    """Threads of this process that write payload chunks, for all uploads together."""
    reader_grace_seconds: float = 60.0
    """How long the bytes of an overwritten version stay at least, so that other replicas' readers become known."""
    reader_report_seconds: float = 15.0
    """How often this process tells the other replicas which payloads it is reading."""

    @property
    def database_name(self) -> str:
        """The database to use."""
        named = _DATABASE.search(self.uri)
        return self.database or (unquote(named[1]) if named else DEFAULT_DATABASE)

    @property
    def safe_uri(self) -> str:
        """The URI for people: without credentials."""
        return _SECRET_OPTION.sub(rf"\1{HIDDEN}", _USER_INFO.sub(rf"\1{HIDDEN}@", self.uri))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, as written in the URI and as decoded; the longest first."""
        found = [match[2] for match in _SECRET_OPTION.finditer(self.uri)]
        # Mechanism properties are a list of names and values.
        found += [pair.partition(":")[2] for option in found for pair in option.split(",")]
        user_info = _USER_INFO.search(self.uri)
        if user_info:
            found += [user_info[2], user_info[2].partition(":")[2]]
        spellings = {spelling for secret in found for spelling in (secret, unquote(secret)) if spelling}
        return tuple(sorted(spellings, key=len, reverse=True))

    def __repr__(self) -> str:
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name != "uri"]
        return f"MongodbSettings(uri={self.safe_uri!r}, {', '.join(shown)})"
