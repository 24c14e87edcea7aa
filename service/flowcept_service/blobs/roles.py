"""What the service's front asks of uploads and downloads, so that others can be put around them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Protocol

from flowcept_service.blobs.downloads import Beginning, DownloadRange, Piece
from flowcept_service.blobs.parts import UploadMessage, UploadResult, UploadStatus
from flowcept_service.domain.objects import ObjectVersion


class Receiving(Protocol):
    """Takes payloads in; see ``blobs.uploads.Uploads``."""

    def upload(self, messages: Iterator[UploadMessage]) -> UploadResult:
        """Receive and commit one version."""
        ...

    def status(self, upload_id: str) -> UploadStatus:
        """How much of an upload is staged."""
        ...

    def abort(self, upload_id: str) -> bool:
        """Drop what an upload has staged."""
        ...


class Sending(Protocol):
    """Gives payloads out; see ``blobs.downloads.Downloads``."""

    def download(self, wanted: DownloadRange) -> Generator[Beginning | Piece, None, None]:
        """The version, then its bytes in order. Closing it releases everything."""
        ...

    def inline(self, version: ObjectVersion, limit: int) -> bytes | None:
        """A small payload as a whole; None where it has more than ``limit`` bytes, or cannot be read."""
        ...
