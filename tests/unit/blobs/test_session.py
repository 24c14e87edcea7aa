"""The rules of one upload, without a network: what is staged when, and what becomes of it."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowcept.errors import IntegrityError, OutOfRangeError, ResourceExhaustedError
from flowcept_service.blobs.parts import UploadChunk, UploadCommit, UploadHeader
from flowcept_service.blobs.quotas import blob_quotas
from flowcept_service.blobs.session import Surroundings, UploadSession
from flowcept_service.blobs.settings import BlobSettings
from flowcept_service.blobs.uploads import Uploads
from flowcept_service.domain.objects import ObjectFields
from flowcept_service.events.codec import ProtobufEventEncoder
from flowcept_service.storage.contract import Storage
from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SIZES = BlobSettings(max_uploads=4, batch_bytes=100, prefetch_bytes=100, in_object_bytes=250)
HEADER = UploadHeader("upload", "object", ObjectFields())


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    store = LmdbStorage(LmdbSettings(tmp_path / "data"), ProtobufEventEncoder(), lambda: NOW)
    yield store
    store.close()


@pytest.fixture
def surroundings(storage: Storage) -> Iterator[Surroundings]:
    with ThreadPoolExecutor(4) as executor:
        quotas = blob_quotas(storage.records, storage.payloads, time.monotonic)
        yield Surroundings(
            storage.objects, storage.payloads, executor, SIZES, quotas, lambda: NOW, lambda *_: None, lambda: "somebody"
        )


def promise(data: bytes) -> UploadCommit:
    return UploadCommit(len(data), hashlib.sha256(data).hexdigest())


def staged_bytes(storage: Storage) -> int | None:
    staging = storage.payloads.staged("upload")
    return None if staging is None else staging.size


def stored(storage: Storage) -> bytes:
    version = storage.objects.get("object")
    return b"".join(storage.payloads.read(version, 0, version.object_size_bytes, 64))


def test_bytes_wait_in_memory_until_they_make_a_batch(storage: Storage, surroundings: Surroundings) -> None:
    session = UploadSession(HEADER, None, surroundings)
    session.accept(UploadChunk(0, bytes(99)))
    assert staged_bytes(storage) is None
    session.accept(UploadChunk(99, bytes(1)))
    assert staged_bytes(storage) == 100
    session.accept(UploadChunk(100, bytes(99)))
    assert staged_bytes(storage) == 100


def test_a_payload_below_one_batch_is_never_staged(
    storage: Storage, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("staged")

    monkeypatch.setattr(storage.payloads, "stage", never)
    session = UploadSession(HEADER, None, surroundings)
    session.accept(UploadChunk(0, b"x" * 99))
    session.accept(promise(b"x" * 99))
    assert session.commit().object.object_size_bytes == 99
    assert stored(storage) == b"x" * 99


def test_nothing_is_left_staged_behind_a_commit(storage: Storage, surroundings: Surroundings) -> None:
    data = bytes(range(250))
    session = UploadSession(HEADER, None, surroundings)
    session.accept(UploadChunk(0, data))
    session.accept(promise(data))
    session.commit()
    assert staged_bytes(storage) is None
    assert stored(storage) == data


def test_keeping_stages_what_is_in_memory(storage: Storage, surroundings: Surroundings) -> None:
    session = UploadSession(HEADER, None, surroundings)
    session.accept(UploadChunk(0, bytes(130)))
    session.accept(UploadChunk(130, bytes(20)))
    assert session.keep() == 150 == staged_bytes(storage)


def test_an_append_that_failed_is_not_tried_again(
    storage: Storage, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def full(*_: object) -> None:
        calls.append(1)
        raise ResourceExhaustedError("full")

    monkeypatch.setattr(storage.payloads, "append", full)
    session = UploadSession(HEADER, None, surroundings)
    with pytest.raises(ResourceExhaustedError):
        session.accept(UploadChunk(0, bytes(100)))
    session.keep()
    assert len(calls) == 1


def test_a_stream_that_finds_more_staged_than_it_began_with_gives_way(
    storage: Storage, surroundings: Surroundings
) -> None:
    first = UploadSession(HEADER, None, surroundings)
    second = UploadSession(HEADER, None, surroundings)
    first.accept(UploadChunk(0, bytes(100)))
    with pytest.raises(OutOfRangeError) as caught:
        second.accept(UploadChunk(0, bytes(100)))
    assert caught.value.metadata["expected_offset"] == "100"


def test_the_digest_of_a_continued_upload_covers_what_earlier_calls_staged(
    storage: Storage, surroundings: Surroundings
) -> None:
    data = bytes(i % 251 for i in range(1000))
    first = UploadSession(HEADER, None, surroundings)
    first.accept(UploadChunk(0, data[:430]))
    first.keep()
    taken = storage.payloads.stage("upload", "object", NOW)
    second = UploadSession(HEADER, taken, surroundings)
    for offset in range(430, 1000, 30):
        second.accept(UploadChunk(offset, data[offset : offset + 30]))
    second.accept(promise(data))
    assert second.commit().object.data_sha256 == hashlib.sha256(data).hexdigest()
    assert stored(storage) == data


def test_damage_to_staged_bytes_is_found_at_the_commit(
    storage: Storage, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(300)
    first = UploadSession(HEADER, None, surroundings)
    first.accept(UploadChunk(0, data[:200]))
    original = storage.payloads.read_staged

    def damaged(*arguments: Any) -> Iterator[bytes]:
        for piece in original(*arguments):
            yield b"\x01" + piece[1:]

    monkeypatch.setattr(storage.payloads, "read_staged", damaged)
    second = UploadSession(HEADER, storage.payloads.stage("upload", "object", NOW), surroundings)
    second.accept(UploadChunk(200, data[200:]))
    second.accept(promise(data))
    with pytest.raises(IntegrityError):
        second.commit()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    data=st.binary(max_size=700),
    cuts=st.lists(st.integers(0, 700), max_size=6),
    chunk=st.integers(1, 150),
)
def test_however_a_stream_is_cut_and_continued_the_bytes_are_the_same(
    surroundings: Surroundings, data: bytes, cuts: list[int], chunk: int
) -> None:
    uploads = Uploads(surroundings, 1.0, lambda: "made")
    name = f"{uuid.uuid4()}"  # all examples share one store
    header = replace(HEADER, upload_id=name, object_id=name)
    for cut in sorted(min(cut, len(data)) for cut in cuts):
        start = uploads.status(name).staged_bytes
        with pytest.raises(ConnectionResetError):
            uploads.upload(_stream(header, data[:cut], start, chunk, broken=True))
    start = uploads.status(name).staged_bytes
    made = uploads.upload(_stream(header, data, start, chunk, broken=False)).object
    assert b"".join(surroundings.payloads.read(made, 0, len(data), 64)) == data


def _stream(header: UploadHeader, data: bytes, start: int, size: int, *, broken: bool) -> Iterator[tuple[Any, ...]]:
    yield (header,)
    for offset in range(start, len(data), size):
        yield (UploadChunk(offset, data[offset : offset + size]),)
    if broken:
        raise ConnectionResetError
    yield (promise(data),)
