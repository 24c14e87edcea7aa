"""``Flowcept.db`` on a real service: what the documents promise about blobs."""

from __future__ import annotations

import io
import pickle
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowcept.db import DBAPI, BlobObject, SaveOptions
from flowcept.errors import (
    AlreadyExistsError,
    DeadlineError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    Reason,
    UnauthenticatedError,
    UnavailableError,
    VersionConflictError,
)
from tests.client.conftest import Connect

MIB = 1 << 20
HISTORY_FIELDS = {
    "object_id",
    "version",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "prev_version",
    "task_id",
    "workflow_id",
    "type",
    "custom_metadata",
    "tags",
    "object_size_bytes",
    "data_sha256",
    "data_hash_algo",
    "storage_type",
    "pickle",
}


@pytest.mark.parametrize("in_object", [True, False])
@pytest.mark.parametrize("control_version", [True, False])
def test_what_is_saved_is_read_back_with_all_fields(db: DBAPI, in_object: bool, control_version: bool) -> None:
    before = datetime.now(UTC)
    object_id = db.save_or_update_object(
        b"payload",
        task_id="task",
        workflow_id="workflow",
        type="artifact",
        custom_metadata={"a": {"b": [1, 2.5, None, True, "text", b"bytes"]}, "$key": "$value", "d.ot": 1},
        save_data_in_collection=in_object,
        control_version=control_version,
        tags=["one", "two"],
        campaign_id="campaign",
    )
    blob = db.get_blob_object(object_id)
    assert blob.data == b"payload"
    assert (blob.task_id, blob.workflow_id, blob.campaign_id, blob.type) == ("task", "workflow", "campaign", "artifact")
    assert blob.custom_metadata == {
        "a": {"b": [1, 2.5, None, True, "text", b"bytes"]},
        "$key": "$value",
        "d.ot": 1,
    }
    assert blob.tags == ["one", "two"]
    assert (blob.version, blob.prev_version) == (0, None)
    assert blob.control_version is control_version
    assert blob.storage_type == ("in_object" if in_object else "gridfs")
    assert blob.data_hash_algo == "sha256"
    assert blob.created_by == blob.updated_by
    assert blob.created_at is not None
    assert abs((blob.created_at - before).total_seconds()) < 60


def test_an_update_keeps_what_is_not_given(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"0", object_id, "task", "workflow", "type", {"a": 1, "b": 2}, tags=["x"])
    db.save_or_update_object(b"1", object_id, custom_metadata={"c": 3})
    blob = db.get_blob_object(object_id)
    assert blob.custom_metadata == {"c": 3}
    assert (blob.task_id, blob.workflow_id, blob.type, blob.tags) == ("task", "workflow", "type", ["x"])
    assert (blob.version, blob.prev_version, blob.data) == (1, 0, b"1")


def test_every_version_of_a_controlled_object_stays(db: DBAPI, object_id: str) -> None:
    for number in range(5):
        db.save_or_update_object(str(number).encode(), object_id, control_version=True)
    history = db.get_object_history(object_id)
    assert [row["version"] for row in history] == [4, 3, 2, 1, 0]
    assert [row["prev_version"] for row in history] == [3, 2, 1, 0, None]
    assert all(set(row) == HISTORY_FIELDS for row in history)
    assert [db.get_blob_object(object_id, version=number).data for number in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert db.list_object_versions(object_id) == history


def test_an_uncontrolled_save_among_controlled_ones_loses_no_version(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"0", object_id, control_version=True)
    db.save_or_update_object(b"1", object_id)
    db.save_or_update_object(b"2", object_id, control_version=True)
    assert [row["version"] for row in db.get_object_history(object_id)] == [2, 1, 0]
    assert db.get_blob_object(object_id, 1).data == b"1"


def test_an_overwritten_version_says_how_to_keep_it(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(bytes(200_000), object_id)  # too many to come with the metadata
    held = db.get_blob_object(object_id)
    db.save_or_update_object(b"1", object_id)
    with pytest.raises(NotFoundError, match="control_version=True") as caught:
        _ = held.data
    assert caught.value.reason is Reason.VERSION_NOT_RETAINED


@pytest.mark.parametrize("size", [5, 200_000])
def test_a_blob_loads_the_bytes_of_its_own_version(db: DBAPI, object_id: str, size: int) -> None:
    first = b"first".ljust(size)
    db.save_or_update_object(first, object_id, control_version=True)
    held = db.get_blob_object(object_id)
    db.save_or_update_object(b"second", object_id, control_version=True)
    assert held.data == first
    assert held.open().read() == first


def test_a_few_bytes_outlast_their_version(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"0", object_id)
    held = db.get_blob_object(object_id)
    db.save_or_update_object(b"1", object_id)
    assert held.data == b"0"


def test_the_history_of_an_unknown_object_is_empty(db: DBAPI) -> None:
    assert db.get_object_history("unknown") == []


@pytest.mark.parametrize("version", [None, 0, 7])
def test_a_missing_object_is_a_value_error(db: DBAPI, version: int | None) -> None:
    with pytest.raises(ValueError, match="no object"):
        db.get_blob_object("unknown", version)
    with pytest.raises(ValueError, match="no object"):
        db.get_blob_fingerprint("unknown", version)


def test_exactly_one_of_two_writers_wins_an_expected_version(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"0", object_id, control_version=True)
    db.save_or_update_object(b"1", object_id, expected_version=0)
    with pytest.raises(VersionConflictError) as caught:
        db.save_or_update_object(b"2", object_id, expected_version=0)
    assert caught.value.current_version == 1
    assert db.get_blob_object(object_id).data == b"1"


def test_must_not_exist_saves_only_the_first(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"0", object_id, must_not_exist=True)
    with pytest.raises(AlreadyExistsError):
        db.save_or_update_object(b"1", object_id, must_not_exist=True)
    assert db.get_blob_object(object_id).data == b"0"


def test_eight_threads_get_eight_versions(db: DBAPI, object_id: str) -> None:
    payloads = [f"from {number}".encode() for number in range(8)]
    threads = [
        threading.Thread(target=db.save_or_update_object, args=(payload, object_id), kwargs={"control_version": True})
        for payload in payloads
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row["version"] for row in db.get_object_history(object_id)] == list(range(7, -1, -1))
    assert sorted(db.get_blob_object(object_id, number).data for number in range(8)) == payloads


@pytest.mark.parametrize("in_object", [True, False])
@pytest.mark.parametrize(
    "value", [{"a": [1, 2]}, [1, "two", None], "text", 12, None, b"bytes", {"large": b"x" * 3 * MIB}]
)
def test_anything_can_be_saved_pickled(db: DBAPI, value: Any, in_object: bool) -> None:
    object_id = db.save_or_update_object(value, pickle=True, save_data_in_collection=in_object)
    blob = db.get_blob_object(object_id)
    assert blob.pickle is True
    assert blob.unpickle() == value
    assert pickle.loads(blob.data) == value


def test_nothing_is_unpickled_unless_it_was_pickled_by_us(db: DBAPI) -> None:
    blob = db.get_blob_object(db.save_or_update_object(pickle.dumps({"a": 1})))
    assert blob.data == pickle.dumps({"a": 1})
    with pytest.raises(PreconditionError, match="pickle=True"):
        blob.unpickle()


def test_what_is_refused_for_other_reasons_than_history_does_not_blame_it(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"x", object_id)
    for refused in (db.get_blob_object(object_id).unpickle, BlobObject(object_id=object_id).open):
        with pytest.raises(PreconditionError) as caught:
            refused()
        assert caught.value.reason is Reason.UNSPECIFIED


def test_what_cannot_be_pickled_is_said_and_nothing_is_saved(db: DBAPI, object_id: str) -> None:
    for value in (lambda: None, {"large": b"x" * 5 * MIB, "lock": threading.Lock()}):
        with pytest.raises(InvalidArgumentError, match="cannot be pickled"):
            db.save_or_update_object(value, object_id, pickle=True)
    assert db.get_object_history(object_id) == []


def test_a_dictionary_without_pickle_names_the_remedy(db: DBAPI) -> None:
    with pytest.raises(ValueError, match="pickle=True"):
        db.save_or_update_object({"a": 1})


def test_an_in_object_payload_over_the_limit_names_the_alternative(db: DBAPI) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        db.save_or_update_object(bytes(20 * MIB), save_data_in_collection=True)
    assert caught.value.reason is Reason.PAYLOAD_TOO_LARGE_FOR_OBJECT


def test_payloads_of_every_kind_are_stored(db: DBAPI, tmp_path: Path) -> None:
    payload = bytes(range(256)) * 20_000
    path = tmp_path / "payload"
    path.write_bytes(payload)
    for given in (payload, bytearray(payload), memoryview(payload), path, io.BytesIO(payload), iter([payload, b""])):
        assert db.get_blob_object(db.save_or_update_object(given)).data == payload
    with path.open("rb") as file:
        file.seek(100)
        assert db.get_blob_object(db.save_or_update_object(file)).data == payload[100:]


def test_metadata_can_be_updated_without_the_bytes(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"bytes", object_id, type="old", custom_metadata={"a": 1}, tags=["x"])
    assert db.update_object_metadata(object_id, custom_metadata={"b": 2}, tags=[], type="new") == object_id
    blob = db.get_blob_object(object_id)
    assert (blob.version, blob.prev_version, blob.type) == (1, 0, "new")
    assert (blob.custom_metadata, blob.tags or [], blob.data) == ({"b": 2}, [], b"bytes")
    assert blob.control_version is True


def test_an_update_of_nothing_changes_nothing(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"bytes", object_id)
    assert db.update_object_metadata(object_id) == object_id
    assert db.get_blob_object(object_id).version == 0


def test_metadata_of_a_missing_object_cannot_be_updated(db: DBAPI) -> None:
    with pytest.raises(ValueError, match="no object"):
        db.update_object_metadata("unknown", type="x")
    with pytest.raises(ValueError, match="no object"):
        db.update_object_metadata("unknown")


def test_equal_bytes_are_equal_whatever_their_storage(db: DBAPI) -> None:
    a = db.save_or_update_object(b"same", save_data_in_collection=True, control_version=True)
    b = db.save_or_update_object(b"same")
    c = db.save_or_update_object(b"else")
    assert db.blob_objects_equal(a, b)
    assert not db.blob_objects_equal(a, c)
    db.save_or_update_object(b"else", a, control_version=True)
    assert not db.blob_objects_equal(a, b)
    assert db.blob_objects_equal(a, b, version_a=0)


def test_a_fingerprint_names_size_digest_and_storage(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"", object_id)
    assert db.get_blob_fingerprint(object_id) == {
        "object_id": object_id,
        "version": 0,
        "object_size_bytes": 0,
        "data_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "data_hash_algo": "sha256",
        "storage_type": "gridfs",
    }


def test_objects_are_found_by_their_fields_without_their_bytes(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(
        b"x", object_id, workflow_id=object_id, custom_metadata={"accuracy": 0.95}, save_data_in_collection=True
    )
    found = db.blob_object_query({"workflow_id": object_id, "custom_metadata.accuracy": {"$gt": 0.9}})
    assert [row["object_id"] for row in found] == [object_id]
    assert "data" not in found[0]
    assert "_id" not in found[0]
    assert db.query({"workflow_id": object_id}, collection="objects") == found
    assert db.ml_model_query({"workflow_id": object_id}) == db.dataset_query({"workflow_id": object_id}) == found


def test_history_is_queried_like_any_collection(db: DBAPI, object_id: str) -> None:
    for number in range(4):
        db.save_or_update_object(str(number).encode(), object_id, control_version=True)
    rows = db.query(
        {"object_id": object_id}, projection=["version"], sort=[("version", -1)], limit=2, collection="object_history"
    )
    assert rows == [{"version": 2}, {"version": 1}]


def test_models_and_datasets_have_their_type(db: DBAPI) -> None:
    model = db.save_or_update_ml_model(b"m", control_version=True)
    dataset = db.save_or_update_dataset({"x": [1]}, pickle=True)
    assert db.get_ml_model(model).type == "ml_model"
    assert db.get_dataset(dataset).type == "dataset"
    assert db.get_dataset(dataset).unpickle() == {"x": [1]}


def test_an_object_without_history_can_be_deleted(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"x", object_id)
    assert db.delete_object(object_id).version == 0
    with pytest.raises(NotFoundError):
        db.get_blob_object(object_id)


def test_history_cannot_be_deleted(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"x", object_id, control_version=True)
    with pytest.raises(PreconditionError) as caught:
        db.delete_object(object_id)
    assert caught.value.reason is Reason.HISTORY_PROTECTED


def test_the_same_upload_twice_is_one_version(db: DBAPI, object_id: str) -> None:
    options = SaveOptions(object_id=object_id, upload_id=f"{object_id}-upload", control_version=True)
    first = db.save_blob(bytes(3 * MIB), options)
    assert db.save_blob(bytes(3 * MIB), options) == first
    assert len(db.get_object_history(object_id)) == 1


def test_an_upload_can_be_given_up(db: DBAPI) -> None:
    assert db.upload_state("unknown") == (0, None)
    assert db.abort_upload("unknown") is False


def test_known_content_is_saved_without_sending_it(db: DBAPI, object_id: str) -> None:
    payload = bytes(range(256)) * 40_000
    db.save_or_update_object(payload)
    sent: list[int] = []
    db.save_or_update_object(payload, object_id, reuse_known=True, progress=lambda at, _total: sent.append(at))
    assert db.get_blob_object(object_id).data == payload


def test_a_client_can_be_closed_and_used_again(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"x", object_id)
    db.close()
    assert db.get_blob_object(object_id).data == b"x"


def test_liveness_is_an_answer_not_an_error(db: DBAPI, connect: Connect) -> None:
    assert db.liveness_test() is True
    assert connect("127.0.0.1:1", retry={"max_attempts": 1}).liveness_test() is False


def test_a_missing_token_file_is_said(service: str, connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(UnauthenticatedError, match="token_file"):
        connect(service, token_file=tmp_path / "missing").get_blob_object("x")


def test_a_service_that_is_away_names_the_setting(connect: Connect) -> None:
    with pytest.raises(UnavailableError, match="FLOWCEPT_TARGET"):
        connect("127.0.0.1:1", retry={"max_attempts": 1}).get_blob_object("x")


def test_a_service_that_does_not_answer_in_time_names_the_settings(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DeadlineError, match=rf"{target}.*FLOWCEPT_TARGET.*FLOWCEPT_TIMEOUT"):
            connect(target, timeout=0.3, retry={"max_attempts": 1}).get_blob_object("x")


def test_a_blob_goes_to_a_dictionary_and_back() -> None:
    fields = {"object_id": "x", "version": 3, "type": "t", "unknown_field": 5, "data": b"bytes"}
    blob = BlobObject.from_dict(fields)
    assert blob.data == b"bytes"
    assert blob.open().read() == b"bytes"
    assert vars(blob)["unknown_field"] == 5
    assert blob["type"] == "t"
    assert "task_id" not in blob
    assert blob.get("task_id", "none") == "none"
    assert blob.to_dict() == fields
    assert BlobObject.from_dict({"object_id": "x"}).version == 0


def test_loading_the_bytes_does_not_change_the_dictionary(db: DBAPI, object_id: str) -> None:
    db.save_or_update_object(b"x", object_id)
    blob = db.get_blob_object(object_id)
    before = blob.to_dict()
    _ = blob.data
    assert blob.to_dict() == before


def test_a_blob_made_by_hand_says_that_it_has_no_bytes() -> None:
    with pytest.raises(PreconditionError, match="get_blob_object"):
        _ = BlobObject(object_id="x").data
