"""Downloads: which version and range, streamed and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from operator import attrgetter

from flowcept.errors import FlowceptError, IntegrityError, NotFoundError, OutOfRangeError, Reason, shorten
from flowcept_service.affinity import roam
from flowcept_service.blobs.checks import check_count
from flowcept_service.blobs.prefetch import Prefetch
from flowcept_service.blobs.settings import BlobSettings
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.storage.contract import Chunk, ObjectStore, PayloadStore


@dataclass(frozen=True, slots=True)
class DownloadRange:
    """What a caller wants to read."""

    object_id: str
    version: int | None = None
    """None: the latest."""
    offset: int = 0
    length: int | None = None
    """None: to the end."""
    verified_by_reader: bool = False
    """Whether the caller compares the digest itself."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive bytes of a payload."""

    offset: int
    parts: Sequence[Chunk]
    """The bytes as the store holds them: they are put together where they are framed, and copied once."""

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return sum(map(len, self.parts))


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a download begins with."""

    version: ObjectVersion
    piece: Piece | None = None
    """The first bytes, where there are so few that they go together."""


class Downloads:
    """The downloads of one service.

    Args:
        objects: Where versions are looked up.
        payloads: Where their bytes are.
        settings: Sizes and bounds.
    """

    def __init__(self, objects: ObjectStore, payloads: PayloadStore, settings: BlobSettings) -> None:
        self._objects = objects
        self._payloads = payloads
        self._settings = settings

    def download(self, wanted: DownloadRange) -> Generator[Beginning | Piece, None, None]:
        """The version, then its bytes in order. Closing the iterator releases everything.

        Raises:
            InvalidArgumentError: INVALID_IDENTIFIER, INVALID_FIELD.
            NotFoundError: OBJECT_NOT_FOUND, VERSION_NOT_FOUND, VERSION_NOT_RETAINED.
            OutOfRangeError: RANGE_NOT_SATISFIABLE.
            IntegrityError: PAYLOAD_CORRUPT, after the bytes, when the payload as a whole has not the stored digest; not
                when the caller looks after that itself.
        """
        check_identifier("object_id", wanted.object_id)
        for field in ("version", "offset", "length"):
            value = getattr(wanted, field)
            if value is not None:
                check_count(field, value)
        version = self._objects.get(wanted.object_id, wanted.version)
        size = version.object_size_bytes
        if wanted.offset > size:
            raise OutOfRangeError(
                f"the range begins at {wanted.offset}, behind the end of the payload of {size} bytes; begin at {size} "
                "or before",
                offset=wanted.offset,
                size=size,
            )
        left = size - wanted.offset
        length = left if wanted.length is None else min(wanted.length, left)
        with self._payloads.pin(version):
            check = length == size and not wanted.verified_by_reader
            pieces = self._pieces(version, wanted.offset, length, check=check)
            joined = length <= self._settings.joined_bytes
            yield Beginning(version, next(pieces, None) if joined else None)
            yield from pieces

    def inline(self, version: ObjectVersion, limit: int) -> bytes | None:
        """The whole payload of a version, if it is small and has at most ``limit`` bytes; the caller verifies it.

        None also where it cannot be read: whoever asks for it alone is told why.

        Raises:
            InvalidArgumentError: INVALID_FIELD.
        """
        check_count("max_inline_bytes", limit)
        size = version.object_size_bytes
        if size > min(limit, self._settings.joined_bytes) or not limit:
            return None
        try:
            with self._payloads.pin(version):
                return b"".join(self._payloads.read(version, 0, size, size or 1))
        except (NotFoundError, IntegrityError):
            return None

    def _pieces(self, version: ObjectVersion, offset: int, length: int, *, check: bool) -> Iterator[Piece]:
        size = self._settings.piece_bytes
        parts = self._payloads.read(version, offset, length, size)
        pieces = _pieces_of(_verified(parts, version) if check else parts, offset, size)
        if length <= self._settings.inline_bytes:
            yield from pieces
            return
        # Reading and hashing happen beside sending, and cost the stream no time.
        weigh = attrgetter("size")
        with closing(Prefetch(pieces, weigh, self._settings.prefetch_bytes, "download-reader", roam)) as ahead:
            yield from ahead


def _pieces_of(parts: Iterator[Chunk], offset: int, limit: int) -> Iterator[Piece]:
    """Parts of at most ``limit`` bytes each, as many together as are within it; an error comes after all of them."""
    gathered: list[Chunk] = []
    size = 0
    failure: FlowceptError | None = None
    try:
        for part in parts:
            if gathered and size + len(part) > limit:
                yield Piece(offset, gathered)
                offset += size
                gathered, size = [], 0
            gathered.append(part)
            size += len(part)
    except FlowceptError as error:
        failure = error
    if gathered:
        yield Piece(offset, gathered)
    if failure is not None:
        raise failure


def _verified(parts: Iterator[Chunk], version: ObjectVersion) -> Iterator[Chunk]:
    """The same bytes, then an error unless they are those that were stored."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        yield part
    received = digest.hexdigest()
    if received != version.data_sha256:
        raise IntegrityError(
            f"the stored bytes of version {version.version} of object {shorten(version.object_id)} are damaged: their "
            f"SHA-256 is {received}, not {version.data_sha256}; do not use what was sent, restore the store from a "
            "backup",
            reason=Reason.PAYLOAD_CORRUPT,
            object_id=version.object_id,
            version=version.version,
        )
