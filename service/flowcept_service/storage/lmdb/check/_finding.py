"""What a check finds, and how it can be put right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction


class Kind(StrEnum):
    """What is wrong; the names are stable."""

    DATABASE_UNREADABLE = "database-unreadable"
    """The database itself is damaged; what lies behind the damage was not looked at."""
    DOCUMENT_UNREADABLE = "document-unreadable"
    """A stored document cannot be decoded, or says not what it is."""
    DOCUMENT_DUPLICATE = "document-duplicate"
    """Two documents have one identifier."""
    KEY_MISSING = "key-missing"
    """A document cannot be found by its identifier."""
    KEY_STRAY = "key-stray"
    """An identifier leads to a document that is not there, or is another one."""
    INDEX_MISSING = "index-missing"
    """A document is not in the index of one of its fields."""
    INDEX_STRAY = "index-stray"
    """An index leads to a document that is not there, or has another value."""
    VERSION_MISSING = "version-missing"
    """A history has a gap."""
    VERSION_LINK = "version-link"
    """A version does not name the one before it."""
    VERSION_ORPHAN = "version-orphan"
    """A version in the history has no latest version above it."""
    VERSIONS_DISAGREE = "versions-disagree"
    """Versions that share bytes say different things about them."""
    LOG_BOUNDS = "log-bounds"
    """What the log says about its own size is not so."""
    LOG_GAP = "log-gap"
    """Events are missing, or are there twice."""
    LOG_UNREADABLE = "log-unreadable"
    """Events cannot be decoded, or have other sequences than their place."""
    LOG_STRAY = "log-stray"
    """Something is kept for events that are not there."""
    MESSAGE_MISSING = "message-missing"
    """A message would not be known if it were repeated."""
    MESSAGE_STRAY = "message-stray"
    """A message is known for ever, for no event forgets it."""
    CONSUMER = "consumer"
    """A durable consumer stands where the log has never been."""
    REQUEST = "request"
    """The result of a change, kept for repeats, cannot be read or would be kept for ever."""
    REFERENCE_MISSING = "reference-missing"
    """A payload is not known to be in use, though a version refers to it."""
    REFERENCE_WRONG = "reference-wrong"
    """What is noted about a payload is not what its versions say."""
    REFERENCE_STRAY = "reference-stray"
    """A payload is noted to be in use, and no version refers to it."""
    PAYLOAD_MISSING = "payload-missing"
    """Bytes of a version are not there."""
    PAYLOAD_CORRUPT = "payload-corrupt"
    """Bytes of a version are others than were stored."""
    PAYLOAD_STRAY = "payload-stray"
    """Small bytes are kept that no version refers to."""
    STAGING = "staging"
    """What is noted about an upload under way is not what has arrived."""
    LEFTOVER = "leftover"
    """Bytes that never became part of a version, as a killed service leaves them; the next sweeps remove them."""


Apply = Callable[[WriteTransaction], bool]
"""Puts something right; whether more of the same has to follow in another transaction. Harmless when repeated."""


@dataclass(frozen=True, slots=True)
class Fix:
    """How to put something right without inventing anything."""

    role: str
    """The environment that is written to."""
    apply: Apply


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    where: str
    """A collection, an index (``tasks.workflow_id``), ``events``, ``payloads``, ..."""
    what: str
    """An identifier, a sequence, a payload."""
    problem: str
    """For people."""
    fix: Fix | None = None
    repaired: bool = False

    @property
    def is_damage(self) -> bool:
        """Whether something is wrong; else it is what is normal after a kill."""
        return self.kind is not Kind.LEFTOVER
