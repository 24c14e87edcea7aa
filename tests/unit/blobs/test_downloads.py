"""How the parts that a store reads become the pieces that are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowcept.errors import IntegrityError, Reason
from flowcept_service.blobs.downloads import DownloadRange, Downloads, Piece
from flowcept_service.blobs.settings import BlobSettings
from flowcept_service.domain.objects import ObjectChange, ObjectFields, ObjectVersion
from flowcept_service.events.codec import ProtobufEventEncoder
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DATA = bytes(range(250))
PIECE = 100
BESIDE, ALONE = 0, len(DATA)
"""Payloads above so many bytes are read by a thread of their own."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStorage]:
    store = LmdbStorage(LmdbSettings(tmp_path / "data"), ProtobufEventEncoder(), lambda: NOW)
    payload = store.payloads.write([DATA], hashlib.sha256(DATA).hexdigest(), in_object=False)
    store.objects.commit(ObjectChange("o", ObjectFields(), True, "", NOW, payload=payload))
    yield store
    store.close()


def read_in_parts(monkeypatch: pytest.MonkeyPatch, store: LmdbStorage, part: int, end: int = len(DATA)) -> None:
    """Have the store read in parts of a size, and fail behind ``end``."""

    def read(_: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[Chunk]:
        assert part <= piece
        last = min(end, offset + length)
        for start in range(offset, last, part):
            yield memoryview(DATA)[start : min(start + part, last)]
        if end < offset + length:
            raise IntegrityError("bytes are missing", reason=Reason.PAYLOAD_CORRUPT)

    monkeypatch.setattr(store.payloads, "read", read)


def pieces_of(store: LmdbStorage, wanted: DownloadRange, inline_bytes: int) -> Iterator[Piece]:
    settings = BlobSettings(piece_bytes=PIECE, prefetch_bytes=PIECE, inline_bytes=inline_bytes, joined_bytes=0)
    for part in Downloads(store.objects, store.payloads, settings).download(wanted):
        if isinstance(part, Piece):
            yield part


@pytest.mark.parametrize("inline_bytes", [BESIDE, ALONE])
@pytest.mark.parametrize("part", [1, 7, 99, 100])
@pytest.mark.parametrize("offset", [0, 33])
def test_parts_travel_together_up_to_the_size_of_a_piece(
    store: LmdbStorage, monkeypatch: pytest.MonkeyPatch, offset: int, part: int, inline_bytes: int
) -> None:
    read_in_parts(monkeypatch, store, part)

    pieces = list(pieces_of(store, DownloadRange("o", offset=offset), inline_bytes))

    position = offset
    for piece in pieces:
        assert piece.offset == position
        position += piece.size
    assert b"".join(part for piece in pieces for part in piece.parts) == DATA[offset:]
    assert all(PIECE - part < piece.size <= PIECE for piece in pieces[:-1])


@pytest.mark.parametrize("inline_bytes", [BESIDE, ALONE])
def test_an_error_comes_behind_all_bytes_that_were_read(
    store: LmdbStorage, monkeypatch: pytest.MonkeyPatch, inline_bytes: int
) -> None:
    read_in_parts(monkeypatch, store, part=30, end=140)
    received = bytearray()

    def take() -> None:
        for piece in pieces_of(store, DownloadRange("o"), inline_bytes):
            received.extend(b"".join(piece.parts))

    with pytest.raises(IntegrityError, match="bytes are missing"):
        take()
    assert received == DATA[:140]
