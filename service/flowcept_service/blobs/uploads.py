"""Uploads: what is decided before the bytes, who may upload at once, and what becomes of a stream that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import BoundedSemaphore

import structlog

from flowcept.errors import (
    FlowceptError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    Reason,
    ResourceExhaustedError,
    shorten,
)
from flowcept_service.blobs.checks import check_header, check_in_object, check_upload_size
from flowcept_service.blobs.parts import (
    UploadChunk,
    UploadCommit,
    UploadHeader,
    UploadMessage,
    UploadResult,
    UploadStatus,
)
from flowcept_service.blobs.prefetch import Prefetch
from flowcept_service.blobs.session import Surroundings, UploadSession, change_of
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.objects import ObjectVersion, Precondition

_MESSAGE_OVERHEAD = 512
"""Bytes of memory that a message takes beside the payload bytes in it."""

_HOPELESS = frozenset({Reason.PAYLOAD_TOO_LARGE_FOR_OBJECT, Reason.UPLOAD_TOO_LARGE})
"""Why an upload fails that could never be resumed."""

_log = structlog.get_logger(__name__)


class Uploads:
    """The uploads of one service.

    Args:
        surroundings: What uploads work with.
        staged_seconds: How long staged bytes are kept, to tell clients.
        new_id: Makes identifiers for objects that come without one.
    """

    def __init__(self, surroundings: Surroundings, staged_seconds: float, new_id: Callable[[], str]) -> None:
        self._surroundings = surroundings
        self._objects = surroundings.objects
        self._payloads = surroundings.payloads
        self._settings = surroundings.settings
        self._now = surroundings.now
        self._campaign_bytes = surroundings.quotas.campaign_bytes
        self._staged_seconds = staged_seconds
        self._new_id = new_id
        self._slots = BoundedSemaphore(self._settings.max_uploads)

    def upload(self, messages: Iterator[UploadMessage]) -> UploadResult:
        """Receive and commit one version; see ``BlobStore.Upload`` in the contract for the rules and errors.

        Args:
            messages: The stream. Whatever it raises means that the client is gone: what arrived is kept for resuming.
        """
        if not self._slots.acquire(blocking=False):
            limit = self._settings.max_uploads
            raise ResourceExhaustedError(
                f"{limit} uploads are under way, the most at the same time; try again in a moment",
                reason=Reason.TOO_MANY_UPLOADS,
                limit=limit,
            )
        try:
            return self._upload(messages)
        finally:
            self._slots.release()

    def status(self, upload_id: str) -> UploadStatus:
        """How much of an upload is staged, or what it was committed as."""
        check_identifier("upload_id", upload_id)
        committed = self._objects.committed(upload_id)
        if committed is not None:
            return UploadStatus(True, committed.object_size_bytes, None, committed)
        staging = self._payloads.staged(upload_id)
        if staging is None:
            return UploadStatus(False, 0, None, None)
        return UploadStatus(True, staging.size, staging.updated_at + timedelta(seconds=self._staged_seconds), None)

    def abort(self, upload_id: str) -> bool:
        """Drop what an upload has staged; whether there was anything. A committed upload is not undone."""
        check_identifier("upload_id", upload_id)
        return self._payloads.discard(upload_id)

    def _upload(self, messages: Iterator[UploadMessage]) -> UploadResult:
        first = next(messages, ())
        if not first or not isinstance(first[0], UploadHeader):
            raise InvalidArgumentError(
                "the first message of an upload has no header; send the header first",
                reason=Reason.UPLOAD_HEADER_MISSING,
            )
        header = first[0]
        check_header(header)
        settled = self._settled_before(header)
        if settled is not None:
            return settled
        session = self._begin(header)
        with closing(session):
            try:
                for part in first[1:]:
                    session.accept(part)
                self._receive(session, messages, complete=isinstance(first[-1], UploadCommit))
                self._charge(header, session.received)
                return session.commit()
            except Exception as error:
                self._settle_failure(session, error)
                raise

    def _settled_before(self, header: UploadHeader) -> UploadResult | None:
        """What can be answered without the bytes: a repeat, a lost precondition, content that the store holds."""
        committed = self._objects.committed(header.upload_id)
        if committed is not None:
            if header.object_id and header.object_id != committed.object_id:
                raise _changed(header, committed.object_id)
            return UploadResult(committed, repeated=True)
        # Before anything is said about what is there.
        self._surroundings.check_allowed(header.object_id, header.fields.campaign_id)
        if header.object_id and header.precondition != Precondition():
            # The store checks again when it commits; this spares the bytes of an upload that has lost already.
            header.precondition.check(header.object_id, self._current(header.object_id))
        if header.object_size_bytes is not None and header.save_data_in_collection:
            check_in_object(header.object_size_bytes, self._settings.in_object_bytes)
        if header.object_size_bytes is not None:
            # Looked at again when the bytes are here; this spares them.
            check_upload_size(header.object_size_bytes, self._settings.upload_bytes)
            self._campaign_bytes.check(self._campaign_of(header), header.object_size_bytes)
        if header.data_sha256 is None or header.object_size_bytes is None:
            return None
        named = replace(header, object_id=header.object_id or self._staged_object(header) or self._new_id())
        known = self._objects.commit_known(
            change_of(named, None, self._now()), header.object_size_bytes, header.data_sha256
        )
        if known is None:
            return None
        self._payloads.discard(header.upload_id)
        return UploadResult(known.object, content_known=not known.repeated, repeated=known.repeated)

    def _begin(self, header: UploadHeader) -> UploadSession:
        """The session of an upload; takes over what is staged under its identifier, from whoever holds it."""
        staged = self._payloads.staged(header.upload_id)
        if staged is not None:
            if header.object_id and header.object_id != staged.object_id:
                raise _changed(header, staged.object_id)
            staged = self._payloads.stage(header.upload_id, staged.object_id, self._now())
        object_id = header.object_id or (self._new_id() if staged is None else staged.object_id)
        return UploadSession(replace(header, object_id=object_id), staged, self._surroundings)

    def _receive(self, session: UploadSession, messages: Iterator[UploadMessage], *, complete: bool) -> None:
        """Take the rest of the stream, up to its end: only then is it certain that nothing follows the commit."""
        if complete:
            for message in messages:
                for part in message:
                    session.accept(part)
            return
        # Received by a thread of its own, so that the network goes on while the store writes, and so that a failure of
        # the store is answered at once even while the client sends nothing.
        ahead = Prefetch(messages, _weight, self._settings.prefetch_bytes, "upload-receiver")
        with closing(ahead):
            for message in ahead:
                for part in message:
                    session.accept(part)

    def _settle_failure(self, session: UploadSession, error: Exception) -> None:
        """What becomes of the bytes of an upload that failed: bytes known to be wrong go, all others are kept."""
        try:
            if isinstance(error, IntegrityError) or _reason(error) in _HOPELESS:
                session.drop()
            else:
                session.keep()
        except FlowceptError as second:
            # The first failure is the answer; this one only means that a resumed upload starts earlier.
            _log.warning("received bytes were not kept", reason=second.reason, error=second.message)

    def _charge(self, header: UploadHeader, size: int) -> None:
        """Take the bytes from the quota of their campaign."""
        self._campaign_bytes.take(self._campaign_of(header), size)

    def _campaign_of(self, header: UploadHeader) -> str:
        """The campaign that the version belongs to; empty for none, or while nobody needs to know."""
        if not self._campaign_bytes.limit:
            return ""
        if header.fields.campaign_id is not None or not header.object_id:
            return header.fields.campaign_id or ""
        current = self._current(header.object_id)
        return "" if current is None else current.campaign_id or ""

    def _current(self, object_id: str) -> ObjectVersion | None:
        try:
            return self._objects.get(object_id)
        except NotFoundError:
            return None

    def _staged_object(self, header: UploadHeader) -> str | None:
        staged = self._payloads.staged(header.upload_id)
        return None if staged is None else staged.object_id


def _weight(message: UploadMessage) -> int:
    """The memory of a message; one that carries nothing takes some too."""
    return _MESSAGE_OVERHEAD + sum(len(part.data) for part in message if isinstance(part, UploadChunk))


def _reason(error: Exception) -> Reason | None:
    return error.reason if isinstance(error, FlowceptError) else None


def _changed(header: UploadHeader, object_id: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"upload {shorten(header.upload_id)} was begun for object {shorten(object_id)}, not for "
        f"{shorten(header.object_id)}; use another upload_id",
        reason=Reason.UPLOAD_HEADER_CHANGED,
        field="object_id",
        upload_id=header.upload_id,
        object_id=object_id,
    )
