"""One version after the other: conditions, racing writers, history, metadata updates, deletion."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import bson
import grpc
import pytest

from flowcept.codec import encode_bson
from flowcept.v1.blob_object_pb2 import BlobObject
from flowcept.v1.blob_store_service_pb2 import (
    DeleteObjectRequest,
    ListVersionsRequest,
    ObjectFields,
    Tags,
    UpdateObjectRequest,
)
from flowcept.v1.document_pb2 import DOCUMENT_ENCODING_JSON, Document
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, Failure, chunks, commit, failure_of, header, pattern, sha256

BAD_IDENTIFIERS = ["", "x" * 256, "a\0b"]


def metadata(**values: Any) -> Document:
    return Document(bson=bson.encode(values))


def update(blobs: Blobs, **request: Any) -> BlobObject:
    return blobs.stub.UpdateObject(UpdateObjectRequest(object_id="object", **request), timeout=60).object


def delete(blobs: Blobs, object_id: str = "object", **request: Any) -> BlobObject:
    return blobs.stub.DeleteObject(DeleteObjectRequest(object_id=object_id, **request), timeout=60).object


def race(count: int, work: Callable[[int], None]) -> list[Failure]:
    """Run a function in so many threads at once; the failures."""
    failures: list[Failure] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except grpc.RpcError as error:
            failures.append(failure_of(error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@pytest.mark.parametrize("size", [1000, 9 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("writers", [2, 8])
def test_racing_writers_get_a_version_each(service: Service, blobs: Blobs, writers: int, size: int) -> None:
    payloads = [pattern(size, seed=number) for number in range(writers)]
    failures = race(writers, lambda n: _put(blobs, payloads[n], f"u{n}"))
    assert failures == []
    assert blobs.versions() == list(range(writers))[::-1]
    got = [blobs.get(version=version) for version in range(writers)]
    assert sorted(map(sha256, got)) == sorted(map(sha256, payloads))
    links = [blobs.object(version=version).prev_version for version in range(1, writers)]
    assert links == list(range(writers - 1))
    assert service.storage.events.bounds().last == writers


def _put(blobs: Blobs, data: bytes, upload_id: str, **fields: Any) -> None:
    blobs.put(data, upload_id, control_version=True, **fields)


@pytest.mark.parametrize("writers", [2, 8])
def test_of_racing_writers_with_the_same_expectation_one_wins(blobs: Blobs, writers: int) -> None:
    blobs.put(b"first", "u", control_version=True)
    failures = race(writers, lambda n: _put(blobs, pattern(100, seed=n), f"u{n}", expected_version=0))
    assert len(failures) == writers - 1
    for failure in failures:
        assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "VERSION_CONFLICT")
        assert (failure.metadata["expected_version"], failure.metadata["current_version"]) == ("0", "1")
    assert blobs.versions() == [1, 0]


@pytest.mark.parametrize("writers", [8])
def test_of_racing_first_saves_one_creates_the_object(blobs: Blobs, writers: int) -> None:
    failures = race(writers, lambda n: _put(blobs, pattern(100, seed=n), f"u{n}", must_not_exist=True))
    assert {(failure.code, failure.reason) for failure in failures} == {
        (grpc.StatusCode.ALREADY_EXISTS, "OBJECT_EXISTS")
    }
    assert len(failures) == writers - 1
    assert blobs.versions() == [0]


def test_a_lost_precondition_spares_the_bytes_and_is_decided_before_them(blobs: Blobs) -> None:
    blobs.put(b"first", "u1")
    failure = blobs.failing(lambda: blobs.put(b"", "u2", expected_version=7))
    assert (failure.reason, failure.metadata["current_version"]) == ("VERSION_CONFLICT", "0")
    assert not blobs.staged("u2").exists


def test_expecting_a_version_of_an_object_that_does_not_exist_is_a_conflict_without_current_version(
    blobs: Blobs,
) -> None:
    failure = blobs.failing(lambda: blobs.put(b"x", "u", expected_version=0))
    assert (failure.reason, failure.metadata["current_version"]) == ("VERSION_CONFLICT", "")


def test_an_upload_that_lost_its_condition_is_committed_under_a_new_one_without_its_bytes(blobs: Blobs) -> None:
    data = pattern(9 * MIB)
    blobs.put(b"first", "u1", control_version=True)
    blobs.refused([header("u2", expected_version=0), *chunks(data)])  # the commit does not come yet
    blobs.put(b"second", "u3")
    assert blobs.refused([header("u2", expected_version=0), commit(data)]).reason == "VERSION_CONFLICT"
    blobs.upload([header("u2", expected_version=1), commit(data)])
    assert blobs.get() == data
    assert blobs.versions() == [2, 1, 0]


def test_without_version_control_only_the_latest_version_is_kept(blobs: Blobs) -> None:
    blobs.put(b"first", "u1")
    made = blobs.put(b"second", "u2")
    assert (made.version, made.prev_version) == (1, 0)
    assert blobs.versions() == [1]
    failure = blobs.failing(lambda: blobs.get(version=0))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "VERSION_NOT_RETAINED")
    assert failure.metadata == {"object_id": "object", "version": "0", "current_version": "1"}


def test_an_unversioned_save_among_versioned_ones_loses_no_version(blobs: Blobs) -> None:
    blobs.put(b"0", "u0", control_version=True)
    blobs.put(b"1", "u1", control_version=False)
    blobs.put(b"2", "u2", control_version=True)
    assert blobs.versions() == [2, 1, 0]
    assert [blobs.get(version=version) for version in range(3)] == [b"0", b"1", b"2"]


def test_what_an_update_does_not_give_is_kept_and_what_it_gives_replaces(blobs: Blobs) -> None:
    given = ObjectFields(type="t", custom_metadata=metadata(a=1, b=2), tags=Tags(values=["x"]), author="ada")
    blobs.put(b"0", "u0", fields=given)
    made = blobs.put(b"1", "u1", fields=ObjectFields(custom_metadata=metadata(c=3), author="bob"))
    assert (made.type, list(made.tags)) == ("t", ["x"])
    assert bson.decode(made.custom_metadata.bson) == {"c": 3}
    assert (made.created_by, made.updated_by) == ("ada", "bob")
    cleared = blobs.put(b"2", "u2", fields=ObjectFields(custom_metadata=metadata(), tags=Tags()))
    assert list(cleared.tags) == []
    assert bson.decode(cleared.custom_metadata.bson) == {}


def test_an_in_object_payload_replaced_by_an_out_of_line_one_is_served_anew(blobs: Blobs) -> None:
    blobs.put(b"inside", "u0", save_data_in_collection=True)
    made = blobs.put(b"outside", "u1", save_data_in_collection=False)
    assert made.data_sha256 == sha256(b"outside")
    assert blobs.get() == b"outside"


def test_updating_metadata_makes_a_version_with_the_same_bytes(blobs: Blobs) -> None:
    first = blobs.put(b"data", "u0", control_version=True, fields=ObjectFields(type="t"))
    made = update(blobs, fields=ObjectFields(custom_metadata=metadata(stage="best"), author="bob"))
    assert (made.version, made.prev_version, made.type, made.updated_by) == (1, 0, "t", "bob")
    assert (made.data_sha256, made.object_size_bytes) == (first.data_sha256, 4)
    assert blobs.get(version=0) == blobs.get(version=1) == b"data"
    assert not blobs.object(version=0).HasField("custom_metadata")


def test_a_metadata_update_may_be_conditional_and_repeated(blobs: Blobs) -> None:
    blobs.put(b"data", "u0", control_version=True)
    made = update(blobs, fields=ObjectFields(type="a"), expected_version=0, request_id="r")
    assert update(blobs, fields=ObjectFields(type="a"), expected_version=0, request_id="r") == made
    failure = blobs.failing(lambda: update(blobs, fields=ObjectFields(type="b"), expected_version=0))
    assert failure.reason == "VERSION_CONFLICT"
    assert blobs.versions() == [1, 0]


@pytest.mark.parametrize(
    ("request_fields", "reason"),
    [
        ({"expected_version": -1}, "INVALID_FIELD"),
        ({"request_id": "x" * 256}, "INVALID_IDENTIFIER"),
        ({"encoding": 9}, "INVALID_FIELD"),
        ({"fields": ObjectFields(task_id="")}, "INVALID_IDENTIFIER"),
        ({"fields": ObjectFields(custom_metadata=Document(bson=b"x"))}, "INVALID_DOCUMENT"),
    ],
)
def test_a_bad_metadata_update_changes_nothing(blobs: Blobs, request_fields: dict[str, Any], reason: str) -> None:
    before = blobs.put(b"data", "u0")
    failure = blobs.failing(lambda: update(blobs, **request_fields))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert blobs.object() == before


def test_what_does_not_exist_is_not_found(blobs: Blobs) -> None:
    calls: list[Callable[[], object]] = [
        blobs.object,
        blobs.get,
        blobs.versions,
        lambda: update(blobs),
        lambda: delete(blobs),
    ]
    for call in calls:
        failure = blobs.failing(call)
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "OBJECT_NOT_FOUND")
        assert failure.metadata == {"object_id": "object"}


def test_a_version_that_does_not_exist_yet_is_not_found(blobs: Blobs) -> None:
    blobs.put(b"0", "u0")
    failure = blobs.failing(lambda: blobs.object(version=5))
    assert (failure.reason, failure.metadata["current_version"]) == ("VERSION_NOT_FOUND", "0")


@pytest.mark.parametrize("object_id", BAD_IDENTIFIERS)
def test_an_identifier_that_cannot_be_is_refused_everywhere(blobs: Blobs, object_id: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: blobs.object(object_id),
        lambda: blobs.get(object_id),
        lambda: blobs.versions(object_id),
        lambda: delete(blobs, object_id),
        lambda: blobs.stub.UpdateObject(UpdateObjectRequest(object_id=object_id)),
    ]
    for call in calls:
        failure = blobs.failing(call)
        assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_IDENTIFIER")
        assert failure.metadata == {"field": "object_id"}


def test_a_negative_version_is_refused(blobs: Blobs) -> None:
    blobs.put(b"0", "u0")
    for call in (lambda: blobs.object(version=-1), lambda: blobs.get(version=-1)):
        assert blobs.failing(call).reason == "INVALID_FIELD"


def test_a_deleted_object_is_gone_and_its_id_is_free(service: Service, blobs: Blobs) -> None:
    blobs.put(b"0", "u0")
    last = blobs.put(b"1", "u1")
    assert delete(blobs) == last
    assert blobs.failing(blobs.object).reason == "OBJECT_NOT_FOUND"
    assert blobs.put(b"new", "u2", must_not_exist=True).version == 0
    assert service.storage.events.bounds().last == 4


def test_history_protects_from_deletion(blobs: Blobs) -> None:
    blobs.put(b"0", "u0", control_version=True)
    failure = blobs.failing(lambda: delete(blobs))
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "HISTORY_PROTECTED")
    assert blobs.get() == b"0"


def test_a_deletion_may_be_conditional(blobs: Blobs) -> None:
    blobs.put(b"0", "u0")
    assert blobs.failing(lambda: delete(blobs, expected_version=3)).reason == "VERSION_CONFLICT"
    delete(blobs, expected_version=0)


@pytest.fixture
def history(blobs: Blobs) -> Blobs:
    for number in range(40):
        blobs.put(f"{number}".encode(), f"u{number}", control_version=True)
    return blobs


def pages(blobs: Blobs, page_size: int) -> list[list[int]]:
    token, found = "", []
    while True:
        page = blobs.stub.ListVersions(
            ListVersionsRequest(object_id="object", page_size=page_size, page_token=token), timeout=60
        )
        found.append([version.version for version in page.objects])
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.parametrize("page_size", [1, 7, 16, 20, 39, 40, 41, 0])
def test_pages_hold_every_version_once_newest_first(history: Blobs, page_size: int) -> None:
    found = pages(history, page_size)
    assert [version for page in found for version in page] == list(range(40))[::-1]
    assert all(len(page) == page_size for page in found[:-1])
    assert all(found)


def test_a_page_of_large_metadata_ends_early_and_loses_nothing(blobs: Blobs) -> None:
    large = metadata(notes="x" * MIB)
    for number in range(6):
        blobs.put(b"x", f"u{number}", control_version=True, fields=ObjectFields(custom_metadata=large))
    found = pages(blobs, 0)
    assert len(found) > 1
    assert [version for page in found for version in page] == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("token", ["x", "====", "AAAA", "A" * 22 + "==", "ü"])
def test_a_page_token_that_was_tampered_with_is_refused(history: Blobs, token: str) -> None:
    request = ListVersionsRequest(object_id="object", page_token=token)
    failure = history.failing(lambda: history.stub.ListVersions(request))
    assert (failure.code, failure.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "page_token")


def test_a_page_token_belongs_to_its_object(history: Blobs) -> None:
    history.put(b"x", "other", "other")
    token = history.stub.ListVersions(ListVersionsRequest(object_id="object", page_size=5)).next_page_token
    request = ListVersionsRequest(object_id="other", page_token=token)
    assert history.failing(lambda: history.stub.ListVersions(request)).metadata["field"] == "page_token"


def test_a_negative_page_size_is_refused(history: Blobs) -> None:
    request = ListVersionsRequest(object_id="object", page_size=-1)
    assert history.failing(lambda: history.stub.ListVersions(request)).metadata["field"] == "page_size"


def test_metadata_of_every_bson_type_comes_back_byte_for_byte(blobs: Blobs) -> None:
    identifier = uuid.UUID(int=7)
    sent = encode_bson(
        {"u": identifier, "t": datetime(2026, 1, 2, tzinfo=UTC), "b": b"x", "n": None, "$ref": {"a.b": 1}}
    )
    blobs.put(b"x", "u", fields=ObjectFields(custom_metadata=Document(bson=sent)))
    assert blobs.object().custom_metadata.bson == sent


def test_documents_come_back_as_json_when_asked_for(blobs: Blobs) -> None:
    blobs.put(b"x", "u", fields=ObjectFields(custom_metadata=metadata(a=1)))
    got = blobs.object(encoding=DOCUMENT_ENCODING_JSON)
    assert got.custom_metadata.json == '{"a": 1}'
