"""Downloads against a service that misbehaves when told."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowcept.db import DBAPI
from flowcept.errors import (
    DeadlineError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    Reason,
)
from tests.client.conftest import Connect
from tests.client.fake_blob_store import FakeBlobStore, serving
from tests.support.conditions import PATIENCE
from tests.support.server import service_in_process

MIB = 1 << 20
PAYLOAD = os.urandom(3 * MIB + 77)


def flipped(data: bytes) -> bytes:
    """The payload with one bit changed."""
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def part_of(path: Path, payload: bytes = PAYLOAD) -> Path:
    return path.with_name(f"{path.name}.{hashlib.sha256(payload).hexdigest()[:12]}.part")


@pytest.fixture(autouse=True)
def stored(store: FakeBlobStore) -> None:
    store.put("x", PAYLOAD)


@pytest.mark.parametrize("cut", [0, 1, MIB, 3 * MIB])
def test_a_broken_download_continues_behind_the_last_byte(fake: DBAPI, store: FakeBlobStore, cut: int) -> None:
    store.cut_download_after = cut
    assert fake.get_blob_object("x").data == PAYLOAD
    assert store.calls.count("Download") == 2


def test_damaged_bytes_are_never_returned(fake: DBAPI, store: FakeBlobStore) -> None:
    store.damage = flipped
    with pytest.raises(IntegrityError, match="damaged"):
        _ = fake.get_blob_object("x").data


def test_the_service_need_not_verify_what_the_client_verifies(fake: DBAPI, store: FakeBlobStore) -> None:
    assert fake.get_blob_object("x").data == PAYLOAD
    assert store.checked == [False]


def test_the_service_has_to_look_at_what_the_client_found_damaged(fake: DBAPI, store: FakeBlobStore) -> None:
    store.damage = flipped
    with pytest.raises(IntegrityError):
        _ = fake.get_blob_object("x").data
    assert store.checked == [False, True]


def test_damage_in_the_store_is_told_as_such(connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with service_in_process(tmp_path) as service:
        db = connect(service.target)
        db.save_or_update_object(PAYLOAD, object_id="x")
        original = service.storage.payloads.read

        def damaged(*wanted: Any) -> Iterator[bytes]:
            return iter([flipped(b"".join(original(*wanted)))])

        monkeypatch.setattr(service.storage.payloads, "read", damaged)
        with pytest.raises(IntegrityError) as caught:
            _ = db.get_blob_object("x").data
    assert caught.value.reason == Reason.PAYLOAD_CORRUPT


def test_damaged_bytes_never_become_a_file(fake: DBAPI, store: FakeBlobStore, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"what was here before")
    store.damage = flipped
    with pytest.raises(IntegrityError):
        fake.get_blob_object("x").save_to(target)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_bytes() == b"what was here before"


def test_a_reader_of_the_whole_is_told_of_damage(fake: DBAPI, store: FakeBlobStore) -> None:
    store.damage = flipped
    with fake.get_blob_object("x").open() as file, pytest.raises(IntegrityError):
        file.read()


def test_a_shorter_payload_is_noticed(store: FakeBlobStore, connect: Connect) -> None:
    store.damage = lambda data: data[:-1]
    with serving(store) as target, pytest.raises((IntegrityError, ConnectionError)):
        _ = connect(target, retry={"max_attempts": 1}).get_blob_object("x").data


def test_a_file_is_complete_before_it_has_its_name(fake: DBAPI, tmp_path: Path) -> None:
    target = tmp_path / "file"
    seen: list[bool] = []
    fake.get_blob_object("x").save_to(target, progress=lambda _at, _total: seen.append(target.exists()))
    assert seen
    assert not any(seen)
    assert target.read_bytes() == PAYLOAD
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_download_to_a_file_is_continued(fake: DBAPI, tmp_path: Path) -> None:
    target = tmp_path / "file"

    def interrupt(at: int, _total: int | None) -> None:
        if at > MIB:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fake.get_blob_object("x").save_to(target, progress=interrupt)
    kept = part_of(target).stat().st_size
    assert kept > 0
    first: list[int] = []
    fake.get_blob_object("x").save_to(target, progress=lambda at, _total: first.append(at))
    assert min(first) > kept
    assert target.read_bytes() == PAYLOAD


@pytest.mark.parametrize("kept", [b"", b"\0" * 1000, PAYLOAD + b"more"])
def test_a_part_file_with_other_bytes_does_no_harm(fake: DBAPI, tmp_path: Path, kept: bytes) -> None:
    target = tmp_path / "file"
    part_of(target).write_bytes(kept)
    try:
        fake.get_blob_object("x").save_to(target)
    except IntegrityError:
        fake.get_blob_object("x").save_to(target)  # the part file is gone, so the next run begins anew
    assert target.read_bytes() == PAYLOAD


def test_the_part_file_of_another_version_is_not_continued(fake: DBAPI, store: FakeBlobStore, tmp_path: Path) -> None:
    target = tmp_path / "file"
    part_of(target).write_bytes(PAYLOAD[:MIB])
    store.put("x", PAYLOAD[::-1])
    fake.get_blob_object("x").save_to(target)
    assert target.read_bytes() == PAYLOAD[::-1]


def test_two_processes_do_not_write_one_part_file(fake: DBAPI, tmp_path: Path) -> None:
    target = tmp_path / "file"
    with part_of(target).open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(PreconditionError, match="another process"):
            fake.get_blob_object("x").save_to(target)


@pytest.mark.parametrize("before", [(fcntl, "flock"), (os, "fstat")], ids=["it is locked", "it is looked for"])
def test_a_part_file_that_another_process_completes_meanwhile_is_left_to_it(
    fake: DBAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[ModuleType, str]
) -> None:
    path = tmp_path / "copy.bin"
    part_of(path).write_bytes(PAYLOAD)
    original = getattr(*before)

    def complete_and_go_on(*arguments: Any) -> Any:
        if not path.exists():
            part_of(path).rename(path)
        return original(*arguments)

    monkeypatch.setattr(*before, complete_and_go_on)
    fake.get_blob_object("x").save_to(path)

    assert path.read_bytes() == PAYLOAD
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_refused_before_anything_is_fetched(fake: DBAPI, store: FakeBlobStore, tmp_path: Path) -> None:
    blob = fake.get_blob_object("x")
    for path in (tmp_path, Path()):
        with pytest.raises(InvalidArgumentError, match="a directory"):
            blob.save_to(path)

    assert list(tmp_path.iterdir()) == []


def test_a_service_that_falls_silent_is_left(store: FakeBlobStore, connect: Connect) -> None:
    released = threading.Event()

    def damage(data: bytes) -> bytes:
        released.wait(PATIENCE)
        return data

    store.damage = damage
    with serving(store) as target:
        fake = connect(target, idle_timeout=0.3)
        try:
            with pytest.raises(DeadlineError, match="nothing moved"):
                _ = fake.get_blob_object("x").data
        finally:
            released.set()


def test_an_unknown_object_is_a_value_error_too(fake: DBAPI) -> None:
    with pytest.raises(ValueError, match="no object"):
        fake.get_blob_object("unknown")
    with pytest.raises(NotFoundError):
        fake.get_blob_object("unknown")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PAYLOAD) + 10), st.integers(0, 300_000)), min_size=1, max_size=8))
def test_an_opened_blob_reads_like_a_file(fake: DBAPI, reads: list[tuple[int, int]]) -> None:
    expected = io.BytesIO(PAYLOAD)
    with fake.get_blob_object("x").open() as file:
        for offset, length in reads:
            assert file.seek(offset) == expected.seek(offset)
            assert file.read(length) == expected.read(length)
            assert file.tell() == expected.tell()
        assert file.seek(-10, io.SEEK_END) == expected.seek(-10, io.SEEK_END)
        assert file.read() == expected.read()


def test_reading_on_asks_for_ever_larger_ranges(fake: DBAPI, store: FakeBlobStore) -> None:
    with fake.get_blob_object("x").open() as file:
        while file.read(10_000):
            pass
    assert store.calls.count("Download") <= 4


def test_a_jump_fetches_little(fake: DBAPI, store: FakeBlobStore) -> None:
    with fake.get_blob_object("x").open() as file:
        file.seek(2 * MIB)
        assert file.read(10) == PAYLOAD[2 * MIB : 2 * MIB + 10]
    ((offset, length),) = store.ranges
    assert offset == 2 * MIB
    assert length <= MIB


def test_progress_of_a_download_ends_with_the_total(fake: DBAPI) -> None:
    seen: list[tuple[int, int | None]] = []
    pieces = fake.get_blob_object("x").chunks(progress=lambda at, total: seen.append((at, total)))
    assert b"".join(pieces) == PAYLOAD
    assert seen[-1] == (len(PAYLOAD), len(PAYLOAD))


def test_an_empty_payload_is_read(fake: DBAPI, store: FakeBlobStore, tmp_path: Path) -> None:
    store.put("empty", b"")
    blob = fake.get_blob_object("empty")
    assert blob.data == b""
    assert blob.open().read() == b""
    assert blob.save_to(tmp_path / "empty").read_bytes() == b""


SMALL = os.urandom(128 << 10)


@pytest.mark.parametrize("payload", [b"", b"x", SMALL], ids=["nothing", "a byte", "128 KiB"])
def test_a_few_bytes_come_with_their_metadata(
    fake: DBAPI, store: FakeBlobStore, tmp_path: Path, payload: bytes
) -> None:
    store.put("small", payload)
    blob = fake.get_blob_object("small")
    seen: list[tuple[int, int | None]] = []
    assert blob.open().read() == payload
    assert b"".join(blob.chunks(progress=lambda at, total: seen.append((at, total)))) == payload
    assert blob.data == payload
    assert seen == [(len(payload), len(payload))]
    assert store.calls == ["GetObject"]


def test_a_few_bytes_become_a_file_like_many(fake: DBAPI, store: FakeBlobStore, tmp_path: Path) -> None:
    store.put("small", SMALL)
    assert fake.get_blob_object("small").save_to(tmp_path / "file").read_bytes() == SMALL


@pytest.mark.parametrize("read", [lambda blob: blob.data, lambda blob: list(blob.chunks())], ids=["data", "chunks"])
def test_a_few_damaged_bytes_are_never_returned(fake: DBAPI, store: FakeBlobStore, read: Any) -> None:
    store.put("small", SMALL)
    store.damage = flipped
    blob = fake.get_blob_object("small")
    assert blob.object_size_bytes == len(SMALL)
    with pytest.raises(IntegrityError, match="damaged"):
        read(blob)
    assert store.checked[-1]


def test_fingerprints_bring_no_bytes(fake: DBAPI, store: FakeBlobStore) -> None:
    store.put("small", SMALL)
    assert fake.get_blob_fingerprint("small")["object_size_bytes"] == len(SMALL)
    assert fake.blob_objects_equal("small", "small")
    assert store.inlined == [0, 0, 0]
