"""Uploads against a service that misbehaves when told."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowcept.db import DBAPI
from flowcept.errors import (
    DeadlineError,
    FlowceptError,
    IntegrityError,
    InvalidArgumentError,
    Reason,
    ResourceExhaustedError,
    UnavailableError,
    VersionConflictError,
)
from flowcept.transport import Timing, UploadNotResumableError
from flowcept.v1 import blob_object_pb2
from flowcept.v1.blob_store_service_pb2 import UploadHeader
from tests.client.conftest import Connect
from tests.client.fake_blob_store import FakeBlobStore, Upload, serving
from tests.support.conditions import PATIENCE

MIB = 1 << 20
PAYLOAD = os.urandom(5 * MIB + 123)


def broken_at(*offsets: int) -> Any:
    """A hook that breaks one stream after another at these offsets."""
    remaining = list(offsets)

    def on_chunk(_stream: int, staged: int) -> None:
        if remaining and staged >= remaining[0]:
            remaining.pop(0)
            raise UnavailableError("cut")

    return on_chunk


def sources(kind: str, path: Path) -> Any:
    path.write_bytes(PAYLOAD)
    if kind == "bytes":
        return PAYLOAD
    if kind == "path":
        return path
    if kind == "file":
        return io.BytesIO(PAYLOAD)
    return (PAYLOAD[start : start + 100_000] for start in range(0, len(PAYLOAD), 100_000))


@pytest.mark.parametrize("kind", ["bytes", "path", "file", "iterator"])
def test_a_broken_upload_continues_where_the_service_left_off(
    fake: DBAPI, store: FakeBlobStore, tmp_path: Path, kind: str
) -> None:
    store.on_chunk = broken_at(1 * MIB, 3 * MIB, 5 * MIB)
    fake.save_or_update_object(sources(kind, tmp_path / "payload"), object_id="x")
    assert store.payloads["x"] == PAYLOAD
    (upload,) = store.uploads.values()
    assert upload.streams == 4


def test_a_small_payload_travels_in_one_message(fake: DBAPI, store: FakeBlobStore) -> None:
    fake.save_or_update_object(b"small", object_id="x")
    assert store.payloads["x"] == b"small"
    assert store.calls == ["Upload"]


def test_an_empty_payload_is_stored(fake: DBAPI, store: FakeBlobStore) -> None:
    fake.save_or_update_object(b"", object_id="x")
    fake.save_or_update_object(iter([]), object_id="y")
    assert store.payloads == {"x": b"", "y": b""}


@pytest.mark.parametrize("size", [100, len(PAYLOAD)])
def test_an_answer_that_was_lost_does_not_make_a_second_version(fake: DBAPI, store: FakeBlobStore, size: int) -> None:
    lost = [True]

    def answer(_stored: blob_object_pb2.BlobObject) -> None:
        if lost:
            lost.pop()
            raise UnavailableError("the connection broke behind the commit")

    store.answer = answer
    blob = fake.save_blob(PAYLOAD[:size])
    assert blob.version == 0
    assert store.calls.count("Upload") == 1


def test_an_answer_about_other_bytes_is_an_integrity_error(fake: DBAPI, store: FakeBlobStore) -> None:
    def answer(stored: blob_object_pb2.BlobObject) -> None:
        stored.data_sha256 = "0" * 64

    store.answer = answer
    with pytest.raises(IntegrityError, match="0000"):
        fake.save_or_update_object(PAYLOAD)


def test_an_upload_id_that_was_used_for_another_payload_is_noticed(fake: DBAPI) -> None:
    fake.save_or_update_object(b"first", object_id="x", upload_id="u")
    with pytest.raises(IntegrityError, match="use a new one"):
        fake.save_or_update_object(b"other", object_id="x", upload_id="u")


def test_another_process_may_continue_under_the_same_upload_id(fake: DBAPI, store: FakeBlobStore) -> None:
    store.uploads["u"] = Upload(data=bytearray(PAYLOAD[: 2 * MIB]))
    done: list[int] = []
    fake.save_or_update_object(PAYLOAD, object_id="x", upload_id="u", progress=lambda at, _total: done.append(at))
    assert store.payloads["x"] == PAYLOAD
    assert min(done) > 2 * MIB


def test_staged_bytes_of_another_payload_are_noticed(fake: DBAPI, store: FakeBlobStore) -> None:
    store.uploads["u"] = Upload(data=bytearray(10 * MIB))
    with pytest.raises(IntegrityError, match="another upload_id"):
        fake.save_or_update_object(PAYLOAD, upload_id="u")


def test_progress_is_told_in_order_up_to_the_total(fake: DBAPI) -> None:
    seen: list[tuple[int, int | None]] = []
    fake.save_or_update_object(PAYLOAD, progress=lambda at, total: seen.append((at, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (len(PAYLOAD), len(PAYLOAD))


def test_progress_of_an_iterator_has_no_total(fake: DBAPI) -> None:
    seen: list[tuple[int, int | None]] = []
    fake.save_or_update_object(iter([PAYLOAD]), progress=lambda at, total: seen.append((at, total)))
    assert seen[-1] == (len(PAYLOAD), None)


def test_an_error_in_the_progress_callback_ends_the_upload(fake: DBAPI, store: FakeBlobStore) -> None:
    def progress(_at: int, _total: int | None) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fake.save_or_update_object(PAYLOAD, object_id="x", progress=progress)
    assert store.objects == {}


def test_a_source_that_fails_publishes_nothing_and_is_not_repeated(fake: DBAPI, store: FakeBlobStore) -> None:
    def pieces() -> Iterator[bytes]:
        yield PAYLOAD
        # A class that would be repeated, had it come from the service.
        raise UnavailableError("my own source is away")

    with pytest.raises(UnavailableError, match="my own source"):
        fake.save_or_update_object(pieces(), object_id="x")
    assert store.objects == {}
    assert store.calls.count("Upload") == 1


def test_an_iterator_that_lost_too_much_says_what_to_do(
    fake: DBAPI, store: FakeBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowcept.transport._window.Window.LIMIT", 2 * MIB)

    def on_chunk(stream: int, staged: int) -> None:
        if stream == 1 and staged >= 4 * MIB:
            # What was acknowledged as staged is gone: a service that lost its disk.
            next(iter(store.uploads.values())).data.clear()
            raise UnavailableError("cut")

    store.on_chunk = on_chunk
    with pytest.raises(UploadNotResumableError, match="seekable"):
        fake.save_or_update_object(PAYLOAD[at : at + MIB] for at in range(0, len(PAYLOAD), MIB))


class Looks:
    """A clock on which a second passes with each look while the service is silent, and none at any other time."""

    def __init__(self) -> None:
        self.silent = threading.Event()
        self._now = 0.0

    def __call__(self) -> float:
        self._now += self.silent.is_set()
        return self._now

    def timing(self) -> Timing:
        return Timing(clock=self, sleep=lambda _: self.silent.clear())


def test_a_service_that_falls_silent_is_left_and_found_again(store: FakeBlobStore, connect: Connect) -> None:
    released = threading.Event()
    clock = Looks()

    def on_chunk(stream: int, _staged: int) -> None:
        if stream == 1:
            clock.silent.set()
            released.wait(PATIENCE)

    store.on_chunk = on_chunk
    with serving(store) as target:
        fake = connect(target, idle_timeout=0.4)
        fake.connection.timing = clock.timing()
        # Larger than what buffers on the way take in, so that the sender is really held up.
        payload = os.urandom(24 * MIB)
        try:
            fake.save_or_update_object(payload, object_id="x")
        finally:
            released.set()
    assert store.payloads["x"] == payload
    assert next(iter(store.uploads.values())).streams == 2


def test_a_slow_source_is_no_idle_stream(store: FakeBlobStore, connect: Connect) -> None:
    now = [0.0]
    looked = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield PAYLOAD
        now[0] += 3600.0  # a source that takes its time
        looked.wait(0.5)  # nobody sets it: enough for some looks
        yield PAYLOAD

    with serving(store) as target:
        db = connect(target, idle_timeout=0.2)
        db.connection.timing = Timing(clock=lambda: now[0])
        db.save_or_update_object(pieces(), object_id="x")
    assert store.payloads["x"] == PAYLOAD * 2
    assert next(iter(store.uploads.values())).streams == 1


def test_too_many_uploads_at_once_is_waited_out(fake: DBAPI, store: FakeBlobStore) -> None:
    def before(call: str, number: int) -> None:
        if call == "Upload" and number < 3:
            raise ResourceExhaustedError("busy", reason=Reason.TOO_MANY_UPLOADS)

    store.before = before
    fake.save_or_update_object(PAYLOAD, object_id="x")
    assert store.payloads["x"] == PAYLOAD


def test_a_full_disk_is_said_at_once(fake: DBAPI, store: FakeBlobStore) -> None:
    def before(call: str, _number: int) -> None:
        raise ResourceExhaustedError("disk full", reason=Reason.STORAGE_FULL)

    store.before = before
    with pytest.raises(ResourceExhaustedError, match="disk full"):
        fake.save_or_update_object(PAYLOAD)
    assert store.calls == ["Upload"]


def busy_after(store: FakeBlobStore, *, committed: bool) -> Any:
    """A hook by which another stream takes the upload over, and may already have finished it."""

    def on_chunk(_stream: int, staged: int) -> None:
        if staged < MIB:
            return
        if committed:
            upload = next(iter(store.uploads.values()))
            upload.committed = store._commit(UploadHeader(object_id="x"), PAYLOAD)
        raise VersionConflictError("another stream took it over", reason=Reason.UPLOAD_BUSY)

    return on_chunk


def test_an_upload_that_another_process_took_over_ends_with_a_conflict(fake: DBAPI, store: FakeBlobStore) -> None:
    store.on_chunk = busy_after(store, committed=False)
    with pytest.raises(VersionConflictError) as caught:
        fake.save_or_update_object(PAYLOAD, object_id="x")
    assert caught.value.reason is Reason.UPLOAD_BUSY


def test_an_upload_that_another_process_finished_has_its_result(fake: DBAPI, store: FakeBlobStore) -> None:
    store.on_chunk = busy_after(store, committed=True)
    assert fake.save_blob(PAYLOAD).version == 0


def test_known_content_is_not_sent(fake: DBAPI, store: FakeBlobStore) -> None:
    store.put("x", PAYLOAD)
    fake.save_or_update_object(PAYLOAD, object_id="x", reuse_known=True)
    assert store.objects["x"].version == 1
    assert all(not upload.data for upload in store.uploads.values())


def test_reuse_known_needs_a_source_that_can_be_read_twice(fake: DBAPI) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        fake.save_or_update_object(iter([b"x"]), reuse_known=True)
    assert caught.value.metadata["field"] == "reuse_known"


@pytest.mark.parametrize("payload", [b"small", PAYLOAD])
def test_a_service_that_is_not_there_is_given_up_soon(connect: Connect, payload: bytes) -> None:
    away = connect("127.0.0.1:1", retry={"max_attempts": 3, "initial_backoff": 0.01})
    with pytest.raises(UnavailableError, match="FLOWCEPT_TARGET"):
        away.save_or_update_object(payload)


def test_without_repetitions_a_broken_upload_fails_at_once(store: FakeBlobStore, connect: Connect) -> None:
    store.on_chunk = broken_at(MIB)
    with serving(store) as target, pytest.raises(UnavailableError, match="cut"):
        connect(target, retry={"max_attempts": 1}).save_or_update_object(PAYLOAD)


def test_the_token_goes_with_uploads_too(store: FakeBlobStore, connect: Connect) -> None:
    with serving(store) as target:
        db = connect(target, token="secret")
        db.save_or_update_object(b"x")
        db.save_or_update_object(PAYLOAD)
    assert [seen["authorization"] for seen in store.metadata] == ["Bearer secret"] * 2


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"custom_metadata": {"a": [1, {"b": 2**64}]}}, "custom_metadata.a.1.b"),
        ({"custom_metadata": {"a": {1: "x"}}}, "custom_metadata.a"),
        ({"custom_metadata": {"a": object()}}, "custom_metadata.a"),
        ({"custom_metadata": "text"}, "custom_metadata"),
        ({"tags": "text"}, "tags"),
        ({"tags": ["a", 1]}, "tags.1"),
        ({"object_id": 5}, "object_id"),
        ({"type": b"x"}, "type"),
        ({"task_id": "\ud800"}, "task_id"),
        ({"expected_version": -1}, "expected_version"),
        ({"expected_version": True}, "expected_version"),
        ({"expected_version": 1, "must_not_exist": True}, "expected_version"),
        ({"upload_id": 7}, "upload_id"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_sent(
    fake: DBAPI, store: FakeBlobStore, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        fake.save_or_update_object(b"x", **options)
    assert caught.value.metadata["field"] == field
    assert store.calls == []


def test_an_idle_service_ends_the_upload_in_the_end(store: FakeBlobStore, connect: Connect) -> None:
    released = threading.Event()

    def before(call: str, _number: int) -> None:
        if call == "Upload":
            released.wait(PATIENCE)

    store.before = before
    with serving(store) as target:
        fake = connect(target, idle_timeout=0.3)
        try:
            with pytest.raises(DeadlineError, match="FLOWCEPT_IDLE_TIMEOUT"):
                fake.save_or_update_object(os.urandom(24 * MIB))
        finally:
            released.set()


def test_errors_of_every_class_arrive_as_they_were_raised(fake: DBAPI, store: FakeBlobStore) -> None:
    raised = VersionConflictError("too late", object_id="x", expected_version=1, current_version=5)

    def before(_call: str, _number: int) -> None:
        raise raised

    store.before = before
    with pytest.raises(FlowceptError) as caught:
        fake.save_or_update_object(b"x", object_id="x", expected_version=1)
    assert isinstance(caught.value, VersionConflictError)
    assert caught.value.current_version == 5
    assert str(caught.value) == "too late"
