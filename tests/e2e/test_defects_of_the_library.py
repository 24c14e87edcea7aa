"""What went wrong in the library that this service replaces cannot happen here, on either store.

Each test does what was done there, through the real client. Some of it has a place of its own:

- a burst of tasks with a slow or late consumer: ``test_burst.py`` and below;
- a client that is killed with messages in its buffer: ``tests/client/provenance/test_capture.py``;
- consolidating buffer files twice: ``tests/unit/test_buffer_file.py``;
- the memory that a large payload takes: ``tests/client/test_processes.py``, ``test_torch_memory.py``.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from flowcept.errors import AlreadyExistsError, IntegrityError, InvalidArgumentError
from flowcept.records import TaskObject
from flowcept.transport import EventSelection
from flowcept_service.domain.retention import Retention
from flowcept_service.server.service import Service
from flowcept_service.server.stores import now
from flowcept_service.storage.lmdb import LmdbStorage
from flowcept_service.storage.lmdb._payloads.role import LmdbPayloadStore
from flowcept_service.storage.mongodb import MongodbStorage
from tests.support.blobs import pattern
from tests.support.conditions import eventually
from tests.support.server import service_in_process

MIB = 1 << 20
AT_ONCE = Retention(staged_seconds=0, unreferenced_seconds=0, requests_seconds=0)


@pytest.fixture(scope="module", params=["lmdb", "mongodb"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings: dict[str, Any] = {"store": request.param}
    if request.param == "mongodb":
        base, _, options = request.getfixturevalue("mongodb_uri").partition("?")
        settings["mongodb_uri"] = f"{base.rstrip('/')}/defects_{uuid.uuid4().hex}?{options}"
    with service_in_process(tmp_path_factory.mktemp("data"), **settings) as running:
        yield running


@pytest.fixture
def db(service: Service) -> Iterator[DBAPI]:
    with DBAPI(ClientSettings.load(environ={}, settings_path=None, target=service.target)) as client:
        yield client


@pytest.fixture
def name() -> str:
    """An identifier that no other test uses."""
    return f"id-{uuid.uuid4()}"


def store_task(db: DBAPI, **fields: Any) -> dict[str, Any]:
    """Store a task, and read it back."""
    stored = db.insert_or_update_task(TaskObject.from_dict(fields))
    (found,) = db.task_query({"task_id": stored.task_id})
    return found


def concurrently(work: Callable[[int], Any], threads: int = 8) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))


def kept_payloads(service: Service) -> int:
    """How many payloads have bytes in the store, once it was swept as if a day had passed."""
    service.storage.sweep(AT_ONCE, now() + timedelta(days=1))
    if isinstance(service.storage, MongodbStorage):
        return len(service.storage.database.plain["fs.chunks"].distinct("files_id"))
    payloads = _lmdb_payloads(service)
    return len({*payloads.chunks.payloads(), *payloads._references.small.payloads()})


def flip_a_byte(service: Service, object_id: str) -> None:
    """Change one stored byte of an object's latest version behind the service's back."""
    payload_id = service.storage.objects.get(object_id).payload_id
    assert payload_id is not None
    if isinstance(service.storage, MongodbStorage):
        chunks = service.storage.database.plain["fs.chunks"]
        chunk = chunks.find_one({"files_id": payload_id, "n": 1})
        assert chunk is not None
        chunks.update_one({"_id": chunk["_id"]}, {"$set": {"data": _flipped(chunk["data"])}})
        return
    table = _lmdb_payloads(service).chunks
    with table._environment.begin_write() as txn, txn.cursor(table._rows) as cursor:
        assert cursor.set_range(payload_id.binary)
        cursor.put(cursor.key(), _flipped(cursor.value()))


def _lmdb_payloads(service: Service) -> LmdbPayloadStore:
    assert isinstance(service.storage, LmdbStorage)
    assert isinstance(service.storage.payloads, LmdbPayloadStore)
    return service.storage.payloads


def _flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def test_a_subscriber_that_starts_late_gets_what_was_published_before(db: DBAPI, name: str) -> None:
    for number in range(3):
        store_task(db, task_id=f"{name}-{number}", workflow_id=name)

    with db.events("earliest", selection=EventSelection(workflow_ids=[name])) as events:
        assert [event.id for event in islice(events, 3)] == [f"{name}-{number}" for number in range(3)]


def test_one_bad_message_sinks_no_other(db: DBAPI, name: str) -> None:
    strange: list[dict[str, Any]] = [
        {"used": {"$ref": "a", "a.b": 1}},
        {"used": {"n": 2**70}},
        {"$set": {"$id": 1}},
        {"status": "LOST"},
    ]
    messages = [{"type": "task", "task_id": f"{name}-{n}", **fields} for n, fields in enumerate(strange)]

    published = db.publish(messages)

    (rejected,) = published.rejections
    assert (rejected.index, rejected.field) == (3, "status")
    assert published.stored == 3
    (found,) = db.task_query({"task_id": f"{name}-0"})
    assert found["used"] == {"$ref": "a", "a.b": 1}


def test_strings_that_start_with_a_dollar_are_strings(db: DBAPI, name: str) -> None:
    used = {"x": "$used", "y": "$$ROOT", "z": ["$a.b"]}

    store_task(db, task_id=name, used=used)
    found = store_task(db, task_id=name, generated={"r": "$generated"})

    assert (found["used"], found["generated"]) == (used, {"r": "$generated"})


def test_an_in_object_blob_replaced_by_an_out_of_line_one_is_served_anew(db: DBAPI, name: str) -> None:
    db.save_or_update_object(b"old", object_id=name, save_data_in_collection=True)
    db.save_or_update_object(b"new", object_id=name, save_data_in_collection=False)

    assert db.get_blob_object(name).data == b"new"


def test_a_flipped_byte_in_the_store_is_told_to_the_reader(service: Service, db: DBAPI, name: str) -> None:
    db.save_or_update_object(pattern(MIB), object_id=name)
    flip_a_byte(service, name)

    with pytest.raises(IntegrityError):
        _ = db.get_blob_object(name).data


@pytest.mark.parametrize("in_object", [True, False])
def test_a_pickled_dictionary_comes_back_wherever_it_is_kept(db: DBAPI, name: str, in_object: bool) -> None:
    value = {"layers": [64, 10], "lr": 0.1}

    db.save_or_update_object(value, object_id=name, pickle=True, save_data_in_collection=in_object)

    found = db.get_blob_object(name)
    assert found.pickle
    assert pickle.loads(found.data) == value


def test_an_in_object_payload_of_16_mib_is_refused_with_the_remedy(db: DBAPI, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="save_data_in_collection"):
        db.save_or_update_object(bytes(16 * MIB), object_id=name, save_data_in_collection=True)

    assert not db.blob_object_query({"object_id": name})


def test_an_unversioned_save_among_versioned_ones_loses_no_version(db: DBAPI, name: str) -> None:
    for number, control_version in enumerate([True, False, True]):
        db.save_or_update_object(str(number).encode(), object_id=name, control_version=control_version)

    assert [entry["version"] for entry in db.get_object_history(name)] == [2, 1, 0]
    assert [db.get_blob_object(name, version=number).data for number in range(3)] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("control_version", [True, False])
def test_metadata_that_is_given_replaces_and_what_is_not_given_is_kept(
    db: DBAPI, name: str, control_version: bool
) -> None:
    db.save_or_update_object(b"0", object_id=name, custom_metadata={"a": 1}, type="t", control_version=control_version)
    db.save_or_update_object(b"1", object_id=name, custom_metadata={"b": 2}, control_version=control_version)

    found = db.get_blob_object(name)
    assert (found.custom_metadata, found.type) == ({"b": 2}, "t")


def test_of_eight_racing_first_saves_one_makes_the_object(db: DBAPI, name: str) -> None:
    def save(number: int) -> bool:
        try:
            db.save_or_update_object(str(number).encode(), object_id=name, must_not_exist=True)
        except AlreadyExistsError:
            return False
        return True

    assert sum(concurrently(save)) == 1
    assert len(db.blob_object_query({"object_id": name})) == 1


def test_eight_threads_that_version_one_object_get_a_version_each(service: Service, db: DBAPI, name: str) -> None:
    before = kept_payloads(service)

    concurrently(lambda number: db.save_or_update_object(pattern(MIB, number), object_id=name, control_version=True))

    assert sorted(entry["version"] for entry in db.get_object_history(name)) == list(range(8))
    assert kept_payloads(service) == before + 8


def test_nothing_remains_of_an_object_that_was_saved_five_times_and_deleted(
    service: Service, db: DBAPI, name: str
) -> None:
    before = kept_payloads(service)
    for number in range(5):
        db.save_or_update_object(pattern(MIB, number), object_id=name)

    db.delete_object(name)

    eventually(lambda: kept_payloads(service) == before)


def test_a_projection_leaves_what_was_asked_for(db: DBAPI, name: str) -> None:
    store_task(db, task_id=name, used={"lr": 0.1}, activity_id="train")

    assert db.task_query({"task_id": name}, projection=["activity_id"]) == [{"activity_id": "train"}]


def test_filters_limits_and_dotted_fields_are_honoured(db: DBAPI, name: str) -> None:
    for number in range(5):
        store_task(db, task_id=f"{name}-{number}", workflow_id=name, used={"deep": {"n": number}})

    found = db.task_query(
        {"workflow_id": name, "used.deep.n": {"$in": [1, 3, 4]}},
        sort=[("used.deep.n", -1)],
        limit=2,
        projection=["task_id"],
    )

    assert [task["task_id"] for task in found] == [f"{name}-4", f"{name}-3"]


def test_tags_of_critical_tasks_mean_what_they_say_and_leave_the_users_alone(db: DBAPI, name: str) -> None:
    def telemetry(used_memory: int) -> dict[str, Any]:
        return {"memory": {"virtual": {"used": used_memory, "percent": 1.0}}}

    heavy = {"telemetry_at_start": telemetry(0), "telemetry_at_end": telemetry(2 * 10**9)}
    found = store_task(db, task_id=name, tags=["mine"], started_at=1.0, ended_at=1.1, **heavy)

    assert set(found["tags"]) == {"mine", "high_mem"}
