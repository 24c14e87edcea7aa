"""Uploads that break off, are continued, taken over, repeated, or need no bytes at all."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from queue import SimpleQueue

import grpc
import pytest

from flowcept.errors import ResourceExhaustedError
from flowcept.v1.blob_store_service_pb2 import AbortUploadRequest, UploadRequest, UploadResponse
from flowcept_service.server.service import Service
from tests.support.blobs import KIB, MIB, Blobs, Failure, chunk, chunks, commit, failure_of, header, pattern, sha256
from tests.support.conditions import PATIENCE, eventually
from tests.support.server import service_in_process

DATA = pattern(20 * MIB)


class OpenUpload:
    """An upload whose stream stays open until it is told how to go on."""

    def __init__(self, blobs: Blobs, *messages: UploadRequest) -> None:
        self._queue: SimpleQueue[UploadRequest | None] = SimpleQueue()
        for message in messages:
            self._queue.put(message)
        self.call = blobs.stub.Upload.future(iter(self._queue.get, None))

    def send(self, message: UploadRequest) -> None:
        self._queue.put(message)

    def finish(self) -> UploadResponse:
        self._queue.put(None)
        return self.call.result(timeout=PATIENCE)

    def break_off(self) -> None:
        self.call.cancel()
        self._queue.put(None)

    def failure(self) -> Failure:
        error = self.call.exception(timeout=PATIENCE)
        self._queue.put(None)
        assert isinstance(error, grpc.RpcError)
        return failure_of(error)


@pytest.mark.parametrize("sent", [300 * KIB, 9 * MIB, 17 * MIB])
def test_a_broken_stream_keeps_all_that_arrived_and_is_continued_there(
    blobs: Blobs, accepted: list[int], sent: int
) -> None:
    upload = OpenUpload(blobs, header(), *chunks(DATA[:sent]))
    eventually(lambda: sum(accepted) == sent)
    upload.break_off()
    eventually(lambda: blobs.staged().staged_bytes == sent)
    staged = blobs.staged()
    assert staged.exists
    assert staged.expire_time.seconds > time.time() + 80_000
    assert blobs.failing(blobs.object).reason == "OBJECT_NOT_FOUND"

    done = blobs.upload([header(), *chunks(DATA, start=sent), commit(DATA)])
    assert not done.repeated
    assert blobs.get() == DATA
    assert blobs.staged().object == done.object


def test_a_missing_commit_keeps_what_arrived(blobs: Blobs) -> None:
    failure = blobs.refused([header(), *chunks(DATA[: 9 * MIB])])
    assert failure.metadata["staged_bytes"] == str(9 * MIB)
    assert blobs.staged().staged_bytes == 9 * MIB
    blobs.upload([header(), *chunks(DATA, start=9 * MIB), commit(DATA)])
    assert blobs.get() == DATA


def test_a_wrong_offset_names_the_one_at_which_to_continue(blobs: Blobs) -> None:
    failure = blobs.refused([header(), *chunks(DATA[: 9 * MIB]), chunk(0, b"x")])
    assert failure.metadata["expected_offset"] == str(9 * MIB) == str(blobs.staged().staged_bytes)


def test_continuing_at_the_beginning_is_refused_with_the_staged_offset(blobs: Blobs) -> None:
    blobs.refused([header(), *chunks(DATA[: 9 * MIB])])
    failure = blobs.refused([header(), *chunks(DATA), commit(DATA)])
    assert (failure.reason, failure.metadata["expected_offset"]) == ("UPLOAD_OFFSET_MISMATCH", str(9 * MIB))
    assert blobs.staged().staged_bytes == 9 * MIB


def test_a_continued_upload_needs_no_more_than_the_commit(blobs: Blobs) -> None:
    blobs.refused([header(), *chunks(DATA)])
    blobs.upload([header(), commit(DATA)])
    assert blobs.get() == DATA


def test_a_wrong_digest_of_earlier_bytes_is_found_when_the_upload_goes_on(blobs: Blobs) -> None:
    blobs.refused([header(), *chunks(pattern(9 * MIB, seed=1))])
    failure = blobs.refused([header(), *chunks(DATA, start=9 * MIB), commit(DATA)])
    assert failure.reason == "DIGEST_MISMATCH"
    assert not blobs.staged().exists


def test_an_in_object_payload_is_continued_too(blobs: Blobs) -> None:
    data = DATA[: 5 * MIB]
    blobs.refused([header(save_data_in_collection=True), *chunks(data[: 3 * MIB])])
    blobs.upload([header(save_data_in_collection=True), *chunks(data, start=3 * MIB), commit(data)])
    assert blobs.get() == data
    assert blobs.object().save_data_in_collection


def test_a_generated_object_id_survives_the_break(blobs: Blobs) -> None:
    blobs.refused([header(object_id=""), *chunks(DATA[: 9 * MIB])])
    made = blobs.upload([header(object_id=""), *chunks(DATA, start=9 * MIB), commit(DATA)]).object
    assert blobs.get(made.object_id) == DATA


def test_an_upload_belongs_to_one_object(blobs: Blobs) -> None:
    blobs.refused([header(object_id="a"), *chunks(DATA[:MIB])])
    assert blobs.refused([header(object_id="b"), commit(DATA)]).reason == "UPLOAD_HEADER_CHANGED"
    blobs.upload([header(object_id="a"), *chunks(DATA, start=MIB), commit(DATA)])
    assert blobs.refused([header(object_id="b"), commit(DATA)]).reason == "UPLOAD_HEADER_CHANGED"


def test_a_new_stream_takes_over_from_one_that_hangs(blobs: Blobs) -> None:
    hanging = OpenUpload(blobs, header(), *chunks(DATA[: 9 * MIB]))
    eventually(lambda: blobs.staged().staged_bytes > 0)
    staged = blobs.staged().staged_bytes
    second = OpenUpload(blobs, header(), *chunks(DATA[: staged + 8 * MIB], start=staged))
    eventually(lambda: blobs.staged().staged_bytes > staged)
    for message in chunks(DATA[: 18 * MIB], start=9 * MIB):
        hanging.send(message)
    failure = hanging.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "UPLOAD_BUSY")
    for message in chunks(DATA, start=staged + 8 * MIB):
        second.send(message)
    second.send(commit(DATA))
    second.finish()
    assert blobs.get() == DATA
    assert blobs.versions() == [0]


@pytest.mark.parametrize("data", [DATA[:KIB], DATA], ids=["small", "large"])
def test_repeating_a_committed_upload_returns_the_first_result(blobs: Blobs, data: bytes) -> None:
    first = blobs.upload([header(), *chunks(data), commit(data)])
    again = blobs.upload([header(), *chunks(data), commit(data)])
    assert again.object == first.object
    assert (first.repeated, again.repeated) == (False, True)
    assert blobs.versions() == [0]


def test_a_repeat_is_answered_even_after_the_object_moved_on(blobs: Blobs) -> None:
    first = blobs.put(b"one", "u1", control_version=True)
    blobs.put(b"two", "u2")
    assert blobs.put(b"one", "u1", must_not_exist=True) == first
    assert blobs.versions() == [1, 0]


def test_two_streams_with_one_upload_id_make_one_version(blobs: Blobs) -> None:
    streams = [OpenUpload(blobs, header(), *chunks(DATA[:MIB]), commit(DATA[:MIB])) for _ in range(2)]
    results = [stream.finish() for stream in streams]
    assert results[0].object == results[1].object
    assert sorted(result.repeated for result in results) == [False, True]
    assert blobs.versions() == [0]


def test_known_content_is_committed_without_its_bytes(service: Service, blobs: Blobs) -> None:
    blobs.put(DATA, "u1", "original")
    known = header("u2", "copy", data_sha256=sha256(DATA), object_size_bytes=len(DATA))
    result = blobs.upload([known])
    assert (result.content_known, result.repeated) == (True, False)
    assert blobs.get("copy") == DATA
    again = blobs.upload([known])
    assert (again.object, again.repeated) == (result.object, True)
    assert service.storage.events.bounds().last == 2


def test_content_of_the_same_digest_and_another_size_is_not_known(blobs: Blobs) -> None:
    blobs.put(DATA, "u1", "original")
    failure = blobs.refused([header("u2", "copy", data_sha256=sha256(DATA), object_size_bytes=len(DATA) - 1)])
    assert failure.reason == "UPLOAD_NOT_COMMITTED"


def test_unknown_content_is_received_as_usual(blobs: Blobs) -> None:
    known = header(data_sha256=sha256(DATA), object_size_bytes=len(DATA))
    assert not blobs.upload([known, *chunks(DATA), commit(DATA)]).content_known
    assert blobs.get() == DATA


def test_known_content_still_has_to_meet_the_precondition(blobs: Blobs) -> None:
    blobs.put(DATA, "u1")
    known = header("u2", data_sha256=sha256(DATA), object_size_bytes=len(DATA), must_not_exist=True)
    assert blobs.refused([known]).code is grpc.StatusCode.ALREADY_EXISTS


def test_an_unknown_upload_is_no_error(blobs: Blobs) -> None:
    state = blobs.staged("never heard of")
    assert (state.exists, state.staged_bytes) == (False, 0)
    assert not blobs.stub.AbortUpload(AbortUploadRequest(upload_id="never heard of")).existed


def test_an_aborted_upload_is_forgotten(blobs: Blobs) -> None:
    blobs.refused([header(), *chunks(DATA[: 9 * MIB])])
    assert blobs.stub.AbortUpload(AbortUploadRequest(upload_id="upload")).existed
    assert not blobs.staged().exists
    assert not blobs.stub.AbortUpload(AbortUploadRequest(upload_id="upload")).existed


def test_aborting_a_committed_upload_undoes_nothing(blobs: Blobs) -> None:
    blobs.put(DATA, "upload")
    assert not blobs.stub.AbortUpload(AbortUploadRequest(upload_id="upload")).existed
    assert blobs.get() == DATA


@pytest.mark.parametrize("upload_id", ["", "x" * 256, "a\0"])
def test_an_upload_id_that_cannot_be_is_refused(blobs: Blobs, upload_id: str) -> None:
    assert blobs.failing(lambda: blobs.staged(upload_id)).reason == "INVALID_IDENTIFIER"
    abort = AbortUploadRequest(upload_id=upload_id)
    assert blobs.failing(lambda: blobs.stub.AbortUpload(abort)).reason == "INVALID_IDENTIFIER"


def test_a_failure_of_the_store_is_answered_while_the_client_sends_nothing(
    service: Service, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ResourceExhaustedError("the disk is full")

    monkeypatch.setattr(service.storage.payloads, "append", full)
    upload = OpenUpload(blobs, header(), *chunks(DATA[: 9 * MIB]))
    assert upload.failure().reason == "STORAGE_FULL"


def test_uploads_over_the_bound_are_refused_and_the_next_ones_served(tmp_path: Path) -> None:
    with (
        service_in_process(tmp_path / "data", limits={"max_uploads": 2}) as service,
        grpc.insecure_channel(service.target) as channel,
    ):
        blobs = Blobs(channel)
        held = [OpenUpload(blobs, header(f"u{i}", f"o{i}"), *chunks(DATA[: 9 * MIB])) for i in range(2)]
        eventually(lambda: all(blobs.staged(f"u{i}").exists for i in range(2)))
        failure = blobs.refused([header("u", "o"), commit(b"")])
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_UPLOADS")
        assert failure.metadata["limit"] == "2"
        for upload in held:
            upload.break_off()
        eventually(lambda: blobs.succeeds(lambda: blobs.put(b"x", "u", "o")))


def test_nothing_is_left_behind_by_streams_that_broke_off(blobs: Blobs, accepted: list[int]) -> None:
    for number in range(5):
        accepted.clear()
        upload = OpenUpload(blobs, header(f"u{number}", "o"), *chunks(DATA[: 9 * MIB]))
        eventually(lambda: sum(accepted) == 9 * MIB)
        upload.break_off()
    eventually(lambda: not any(thread.name == "upload-receiver" for thread in threading.enumerate()))
