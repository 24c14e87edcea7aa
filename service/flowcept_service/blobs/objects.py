"""Objects beside their bytes: looking up, listing versions, changing metadata, deleting."""

from __future__ import annotations

import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import bson

from flowcept.errors import InvalidArgumentError, shorten
from flowcept_service.blobs.checks import check_count, check_fields, check_precondition
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.objects import ObjectChange, ObjectFields, ObjectVersion, Precondition
from flowcept_service.storage.contract import ObjectStore

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
MAX_PAGE_BYTES = 2 << 20
"""A page ends early behind so many bytes of metadata, so that the response stays under 4 MiB with any metadata."""
_STEP = 16
"""Versions read at a time, so that a page of large ones is not read as a whole first."""
_TOKEN = struct.Struct(">q8s")


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Some versions of an object."""

    versions: list[ObjectVersion]
    """Newest first."""
    next_page_token: str
    """Empty when there are no more."""


class Objects:
    """The objects of one service.

    Args:
        store: Where they are.
        now: The clock.
    """

    def __init__(self, store: ObjectStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def get(self, object_id: str, version: int | None) -> ObjectVersion:
        """One version, the latest where none is named.

        Raises:
            InvalidArgumentError: INVALID_IDENTIFIER, INVALID_FIELD.
            NotFoundError: OBJECT_NOT_FOUND, VERSION_NOT_FOUND, VERSION_NOT_RETAINED.
        """
        check_identifier("object_id", object_id)
        if version is not None:
            check_count("version", version)
        return self._store.get(object_id, version)

    def versions(
        self, object_id: str, page_size: int, page_token: str, weigh: Callable[[ObjectVersion], int] | None = None
    ) -> VersionPage:
        """The kept versions of an object, page by page.

        Args:
            object_id: The object.
            page_size: Most versions on a page; 0: the default.
            page_token: Of the page before; empty for the first.
            weigh: The bytes that a version takes on its page, where that is more than it takes as BSON.

        Raises:
            InvalidArgumentError: INVALID_IDENTIFIER, INVALID_FIELD.
            NotFoundError: OBJECT_NOT_FOUND.
        """
        check_identifier("object_id", object_id)
        check_count("page_size", page_size)
        wanted = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        below = _read_token(object_id, page_token) if page_token else None
        page: list[ObjectVersion] = []
        size = 0
        while True:
            step = self._store.versions(object_id, below, _STEP)
            for version in step:
                size += (weigh or _weight)(version)
                if len(page) == wanted or (page and size > MAX_PAGE_BYTES):
                    return VersionPage(page, _make_token(object_id, page[-1].version))
                page.append(version)
            if len(step) < _STEP:
                return VersionPage(page, "")
            below = step[-1].version

    def update(
        self,
        object_id: str,
        fields: ObjectFields,
        author: str | None,
        *,
        control_version: bool,
        precondition: Precondition,
        request_id: str,
    ) -> ObjectVersion:
        """Change metadata: a new version with the payload of the latest one.

        Raises:
            InvalidArgumentError: INVALID_IDENTIFIER, INVALID_FIELD.
            NotFoundError: OBJECT_NOT_FOUND.
            VersionConflictError: VERSION_CONFLICT.
        """
        check_identifier("object_id", object_id)
        if request_id:
            check_identifier("request_id", request_id)
        check_fields(fields, author)
        check_precondition(precondition)
        change = ObjectChange(
            object_id=object_id,
            fields=fields,
            control_version=control_version,
            request_id=request_id,
            now=self._now(),
            author=author,
            precondition=precondition,
        )
        return self._store.commit(change).object

    def delete(self, object_id: str, precondition: Precondition) -> ObjectVersion:
        """Delete an object; its latest version, as it was.

        Raises:
            InvalidArgumentError: INVALID_IDENTIFIER, INVALID_FIELD.
            NotFoundError: OBJECT_NOT_FOUND.
            PreconditionError: HISTORY_PROTECTED.
            VersionConflictError: VERSION_CONFLICT.
        """
        check_identifier("object_id", object_id)
        check_precondition(precondition)
        return self._store.delete(object_id, precondition, self._now())


def _weight(version: ObjectVersion) -> int:
    """About how many bytes the metadata of a version takes."""
    free_form = {"metadata": version.custom_metadata, "tags": version.tags, "extra": version.extra}
    return len(bson.encode(free_form)) + 1000


def _make_token(object_id: str, below: int) -> str:
    return urlsafe_b64encode(_TOKEN.pack(below, _seal(object_id, below))).decode()


def _read_token(object_id: str, token: str) -> int:
    try:
        below, seal = _TOKEN.unpack(urlsafe_b64decode(token))
    except (Base64Error, ValueError, struct.error):
        raise _bad_token(token) from None
    if seal != _seal(object_id, below):
        raise _bad_token(token)
    return int(below)


def _seal(object_id: str, below: int) -> bytes:
    """Binds a token to its object. It guards against mistakes; a token grants nothing, so it needs no secret."""
    return hashlib.sha256(f"{below} {object_id}".encode()).digest()[:8]


def _bad_token(token: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"page_token is {shorten(token)}, which does not continue this listing; use next_page_token of the previous "
        "response, for the same object, or start without a token",
        field="page_token",
        value=shorten(token),
    )
