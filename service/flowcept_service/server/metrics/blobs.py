"""Counting what goes in and out of the blob store: decorators around the uploads and downloads of a service."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from prometheus_client import Counter

from flowcept.errors import FlowceptError, Reason
from flowcept_service.blobs.downloads import Beginning, DownloadRange, Piece
from flowcept_service.blobs.parts import UploadChunk, UploadMessage, UploadResult, UploadStatus
from flowcept_service.blobs.roles import Receiving, Sending
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.rpc.handlers import each
from flowcept_service.server.metrics.definitions import (
    DOWNLOAD_SENT,
    UPLOAD_RECEIVED,
    UPLOADS_ACTIVE,
    UPLOADS_COMMITTED,
    UPLOADS_FAILED,
    UPLOADS_RESUMED,
)
from flowcept_service.server.metrics.registry import Metrics


class MeteredUploads:
    """Keeps ``blobs.roles.Receiving`` by another one, and counts.

    Args:
        uploads: What does the work.
        metrics: Where the values are kept.
    """

    def __init__(self, uploads: Receiving, metrics: Metrics) -> None:
        self._uploads = uploads
        self._active = metrics.gauge(UPLOADS_ACTIVE)
        self._received = metrics.counter(UPLOAD_RECEIVED)
        self._resumed = metrics.counter(UPLOADS_RESUMED)
        committed = metrics.counter(UPLOADS_COMMITTED)
        self._committed = {content: committed.labels(content) for content in ("received", "known", "repeated")}
        self._failed = metrics.counter(UPLOADS_FAILED)

    def upload(self, messages: Iterator[UploadMessage]) -> UploadResult:
        """See ``Receiving.upload``."""
        self._active.inc()
        try:
            result = self._uploads.upload(self._counted(messages))
        except Exception as error:
            # What the stream raises, unlike ours, means that the client is gone.
            reason = error.reason if isinstance(error, FlowceptError) else Reason.CANCELLED
            self._failed.labels(reason.value).inc()
            raise
        finally:
            self._active.dec()
        self._committed["repeated" if result.repeated else "known" if result.content_known else "received"].inc()
        return result

    def status(self, upload_id: str) -> UploadStatus:
        """See ``Receiving.status``."""
        return self._uploads.status(upload_id)

    def abort(self, upload_id: str) -> bool:
        """See ``Receiving.abort``."""
        return self._uploads.abort(upload_id)

    def _counted(self, messages: Iterator[UploadMessage]) -> Iterator[UploadMessage]:
        return map(_Arrival(self._received, self._resumed), messages)


class _Arrival:
    """Counts the bytes of one upload as they pass. No generator, whose variable would keep each message for long."""

    def __init__(self, received: Counter, resumed: Counter) -> None:
        self._received = received
        self._resumed = resumed
        self._begun = False

    def __call__(self, message: UploadMessage) -> UploadMessage:
        for part in message:
            if isinstance(part, UploadChunk):
                self._received.inc(len(part.data))
                if not self._begun and part.offset:
                    self._resumed.inc()
                self._begun = True
        return message


class MeteredDownloads:
    """Keeps ``blobs.roles.Sending`` by another one, and counts.

    Args:
        downloads: What does the work.
        metrics: Where the values are kept.
    """

    def __init__(self, downloads: Sending, metrics: Metrics) -> None:
        self._downloads = downloads
        self._sent = metrics.counter(DOWNLOAD_SENT)

    def download(self, wanted: DownloadRange) -> Generator[Beginning | Piece, None, None]:
        """See ``Sending.download``."""
        return each(self._counted, self._downloads.download(wanted))

    def inline(self, version: ObjectVersion, limit: int) -> bytes | None:
        """See ``Sending.inline``."""
        data = self._downloads.inline(version, limit)
        if data is not None:
            self._sent.inc(len(data))
        return data

    def _counted(self, part: Beginning | Piece) -> Beginning | Piece:
        piece = part if isinstance(part, Piece) else part.piece
        if piece is not None:
            self._sent.inc(piece.size)
        return part
