"""Principals that are confined to a campaign: what belongs to others does not exist for them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import (
    AbortUploadRequest,
    DeleteObjectRequest,
    GetObjectRequest,
    ListVersionsRequest,
    ObjectFields,
    UpdateObjectRequest,
)
from flowcept.v1.provenance_service_pb2 import (
    AcknowledgeRequest,
    DeleteConsumerRequest,
    DeleteRecordsRequest,
    EventFilter,
    PublishResponse,
)
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, chunk, chunks, commit, failure_of, header, pattern, sha256
from tests.support.provenance import batch, find, subscribe, task
from tests.support.security import entry, sending, token_of
from tests.support.server import service_in_process

OURS, THEIRS = "campaign-a", "campaign-b"
EVERY_SCOPE = ["read", "publish", "write"]
DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal's way to the service."""

    blobs: Blobs
    provenance: ProvenanceStub

    def put(self, object_id: str, data: bytes = b"data", campaign: str | None = None, **fields: Any) -> int:
        """Upload a version; its number."""
        given = ObjectFields(campaign_id=campaign, **fields)
        upload_id = uuid.uuid4().hex
        return self.blobs.put(data, upload_id, object_id, fields=given, control_version=True).version

    def publish(self, task_id: str, message_id: str = "", **fields: object) -> PublishResponse:
        """Publish one task."""
        return self.provenance.Publish(batch(task(task_id, message_id, **fields)))


@pytest.fixture(scope="module", params=["lmdb", "mongodb"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("confinement")
    file = directory / "tokens.toml"
    file.write_text(
        entry("everybody", scopes=["admin"])
        + entry("we", scopes=EVERY_SCOPE, campaigns=[OURS])
        + entry("we-too", scopes=EVERY_SCOPE, campaigns=[OURS])
        + entry("they", scopes=EVERY_SCOPE, campaigns=[THEIRS])
        + entry("our-admin", scopes=["admin"], campaigns=[OURS])
        + entry("nowhere", scopes=["admin"], campaigns=[])
        + entry("writer", scopes=["write"])
    )
    given = {"store": request.param, "security": {"auth_tokens_file": file}}
    if request.param == "mongodb":
        uri: str = request.getfixturevalue("mongodb_uri")
        given["mongodb_uri"] = database_of(uri, f"confinement_{uuid.uuid4().hex[:8]}")
    with service_in_process(directory / "data", **given) as service:
        yield service


def database_of(uri: str, name: str) -> str:
    base, mark, options = uri.partition("?")
    return f"{base.rstrip('/')}/{name}{mark}{options}"


@pytest.fixture(scope="module")
def caller(service: Service) -> Iterator[Callable[[str], Caller]]:
    with grpc.insecure_channel(service.target) as channel:

        def calling(name: str) -> Caller:
            mine = sending(channel, token_of(name))
            return Caller(Blobs(mine), ProvenanceStub(mine))

        yield calling


@pytest.fixture
def we(caller: Callable[[str], Caller]) -> Caller:
    return caller("we")


@pytest.fixture
def they(caller: Callable[[str], Caller]) -> Caller:
    return caller("they")


@pytest.fixture
def everybody(caller: Callable[[str], Caller]) -> Caller:
    return caller("everybody")


@pytest.fixture
def name() -> str:
    """A name that nothing has yet."""
    return uuid.uuid4().hex


def failure(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, str]:
    """How a call fails, without the name that it was about."""
    failed = Blobs.failing(call)
    return failed.code, failed.reason, failed.error.message


NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "OBJECT_NOT_FOUND")
DENIED = (grpc.StatusCode.PERMISSION_DENIED, "CAMPAIGN_DENIED")

READS: dict[str, Callable[[Caller, str], object]] = {
    "GetObject": lambda who, name: who.blobs.stub.GetObject(GetObjectRequest(object_id=name)),
    "GetObject of a version": lambda who, name: who.blobs.stub.GetObject(GetObjectRequest(object_id=name, version=0)),
    "GetObject of a missing version": lambda who, name: who.blobs.stub.GetObject(
        GetObjectRequest(object_id=name, version=7)
    ),
    "Download": lambda who, name: who.blobs.get(name),
    "Download of a version": lambda who, name: who.blobs.get(name, version=0),
    "Download behind the end": lambda who, name: who.blobs.get(name, offset=1 << 30),
    "ListVersions": lambda who, name: who.blobs.versions(name),
    "UpdateObject": lambda who, name: who.blobs.stub.UpdateObject(UpdateObjectRequest(object_id=name)),
    "UpdateObject at a version": lambda who, name: who.blobs.stub.UpdateObject(
        UpdateObjectRequest(object_id=name, expected_version=9)
    ),
}


@pytest.mark.parametrize("campaign", [THEIRS, None])
@pytest.mark.parametrize("read", READS)
def test_an_object_of_others_is_answered_like_one_that_does_not_exist(
    we: Caller, everybody: Caller, name: str, read: str, campaign: str | None
) -> None:
    absent = failure(lambda: READS[read](we, name))
    everybody.put(name, campaign=campaign)
    assert failure(lambda: READS[read](we, name)) == absent
    assert absent[1] in ("OBJECT_NOT_FOUND", "VERSION_CONFLICT")


def test_an_object_of_ours_is_read_and_changed(we: Caller, name: str) -> None:
    assert we.put(name, b"one", OURS) == 0
    assert we.put(name, b"two") == 1
    updated = we.blobs.stub.UpdateObject(UpdateObjectRequest(object_id=name, control_version=True))
    assert updated.object.campaign_id == OURS
    assert we.blobs.get(name) == b"two"
    assert we.blobs.versions(name) == [2, 1, 0]


def test_a_missing_version_of_ours_is_told_apart(we: Caller, name: str) -> None:
    we.put(name, campaign=OURS)
    assert failure(lambda: we.blobs.object(name, version=7))[1] == "VERSION_NOT_FOUND"


@pytest.mark.parametrize("campaign", [THEIRS, None])
def test_nothing_is_uploaded_outside_of_our_campaign(we: Caller, name: str, campaign: str | None) -> None:
    failed = Blobs.failing(lambda: we.put(name, campaign=campaign))
    assert (failed.code, failed.reason) == DENIED
    assert failed.metadata == {"campaign_id": campaign or ""}


def test_an_upload_is_refused_before_its_bytes(we: Caller, everybody: Caller, name: str) -> None:
    everybody.put(name, campaign=THEIRS)

    def endless() -> Iterator[object]:
        yield header(uuid.uuid4().hex, name, fields=ObjectFields(campaign_id=OURS))
        yield from iter(lambda: chunk(0, b"x"), None)

    assert failure(lambda: we.blobs.upload(endless()))[:2] == DENIED  # type: ignore[arg-type]


@pytest.mark.parametrize("precondition", [{}, {"must_not_exist": True}, {"expected_version": 5}])
def test_a_name_that_others_have_taken_is_refused_and_says_no_more(
    we: Caller, everybody: Caller, name: str, precondition: dict[str, int]
) -> None:
    everybody.put(name, campaign=THEIRS)
    failed = we.blobs.refused(
        [header(uuid.uuid4().hex, name, fields=ObjectFields(campaign_id=OURS), **precondition), commit(b"")]
    )
    assert (failed.code, failed.reason) == DENIED
    assert failed.metadata == {"campaign_id": OURS}


def test_an_object_is_not_moved_to_another_campaign(we: Caller, name: str) -> None:
    we.put(name, campaign=OURS)
    moved = UpdateObjectRequest(object_id=name, fields=ObjectFields(campaign_id=THEIRS))
    assert failure(lambda: we.blobs.stub.UpdateObject(moved))[:2] == DENIED
    assert failure(lambda: we.put(name, b"new", THEIRS))[:2] == DENIED
    assert we.blobs.object(name).campaign_id == OURS


def test_each_version_belongs_to_the_campaign_that_it_names(
    we: Caller, they: Caller, everybody: Caller, name: str
) -> None:
    for version in range(3):
        we.put(name, f"{version}".encode(), OURS)
    everybody.blobs.stub.UpdateObject(
        UpdateObjectRequest(object_id=name, fields=ObjectFields(campaign_id=THEIRS), control_version=True)
    )
    assert they.blobs.versions(name) == [3]
    assert failure(lambda: they.blobs.object(name, version=0))[:2] == NOT_FOUND
    assert we.blobs.versions(name) == [2, 1, 0]
    assert failure(lambda: we.blobs.object(name))[:2] == NOT_FOUND
    assert we.blobs.get(name, version=1) == b"1"


def test_a_page_token_for_an_object_of_others_reveals_nothing(we: Caller, everybody: Caller, name: str) -> None:
    def continued() -> object:
        return we.blobs.stub.ListVersions(ListVersionsRequest(object_id=name, page_token=token))

    for _ in range(3):
        everybody.put(name, campaign=THEIRS)
    token = everybody.blobs.stub.ListVersions(ListVersionsRequest(object_id=name, page_size=1)).next_page_token
    assert failure(continued)[:2] == NOT_FOUND


def test_pages_hold_what_we_may_see(we: Caller, everybody: Caller, name: str) -> None:
    for number in range(40):
        everybody.put(name, f"{number}".encode(), OURS if number % 4 == 0 else THEIRS)
    everybody.put(name, b"last", OURS)
    assert we.blobs.versions(name) == [40, *range(36, -1, -4)]
    page = we.blobs.stub.ListVersions(ListVersionsRequest(object_id=name, page_size=4))
    rest = we.blobs.stub.ListVersions(ListVersionsRequest(object_id=name, page_token=page.next_page_token))
    assert [found.version for found in (*page.objects, *rest.objects)] == [40, *range(36, -1, -4)]


def test_only_an_admin_of_the_campaign_deletes_its_objects(caller: Callable[[str], Caller], name: str) -> None:
    everybody, admin = caller("everybody"), caller("our-admin")

    def delete(object_id: str) -> object:
        return admin.blobs.stub.DeleteObject(DeleteObjectRequest(object_id=object_id))

    absent = failure(lambda: delete(name))
    everybody.blobs.put(b"data", uuid.uuid4().hex, name, fields=ObjectFields(campaign_id=THEIRS))
    assert failure(lambda: delete(name)) == absent
    everybody.blobs.put(b"data", uuid.uuid4().hex, f"{name}-2", fields=ObjectFields(campaign_id=OURS))
    delete(f"{name}-2")
    assert failure(lambda: everybody.blobs.object(f"{name}-2"))[:2] == NOT_FOUND


def test_no_campaigns_allow_nothing(caller: Callable[[str], Caller], name: str) -> None:
    nowhere = caller("nowhere")
    caller("everybody").put(name)
    assert failure(lambda: nowhere.blobs.object(name))[:2] == NOT_FOUND
    assert failure(lambda: nowhere.put(f"{name}-2"))[:2] == DENIED
    assert find(nowhere.provenance, collection="OBJECTS") == []


# Uploads by their identifier, and by their content


def test_an_upload_under_way_is_seen_and_continued_only_within_the_campaign(
    we: Caller, they: Caller, everybody: Caller, caller: Callable[[str], Caller], name: str
) -> None:
    ours = header(name, name, fields=ObjectFields(campaign_id=OURS))
    assert we.blobs.refused([ours, chunk(0, b"secret")]).reason == "UPLOAD_NOT_COMMITTED"
    assert we.blobs.staged(name).staged_bytes == len(b"secret")
    assert caller("we-too").blobs.staged(name).staged_bytes == len(b"secret")
    for other in (they, everybody):
        assert not other.blobs.staged(name).exists
        assert not other.blobs.stub.AbortUpload(AbortUploadRequest(upload_id=name)).existed
    theirs = header(name, f"{name}-2", fields=ObjectFields(campaign_id=THEIRS))
    assert they.blobs.refused([theirs, chunk(6, b""), commit(b"secret")]).reason == "UPLOAD_OFFSET_MISMATCH"
    assert we.blobs.upload([ours, chunk(6, b"!"), commit(b"secret!")]).object.version == 0
    assert we.blobs.staged(name).object.object_id == name
    assert not they.blobs.staged(name).exists


def test_a_request_of_others_is_not_repeated_for_us(we: Caller, they: Caller, name: str) -> None:
    they.put(f"{name}-theirs", campaign=THEIRS)
    we.put(f"{name}-ours", campaign=OURS)
    request = UpdateObjectRequest(object_id=f"{name}-theirs", request_id=name, control_version=True)
    assert they.blobs.stub.UpdateObject(request).object.version == 1
    request.object_id = f"{name}-ours"
    assert [we.blobs.stub.UpdateObject(request).object.version for _ in range(2)] == [1, 1]


def known(who: Caller, name: str, data: bytes, campaign: str | None) -> bool:
    """Whether an upload is committed by the digest of its content alone."""
    fields = ObjectFields(campaign_id=campaign)
    told = header(uuid.uuid4().hex, name, data_sha256=sha256(data), object_size_bytes=len(data), fields=fields)
    try:
        return who.blobs.upload([told]).content_known
    except grpc.RpcError as error:
        failed = failure_of(error)
    assert failed.reason == "UPLOAD_NOT_COMMITTED"
    return False


def test_a_digest_alone_does_for_content_that_we_may_read(we: Caller, name: str) -> None:
    data = name.encode()
    we.put(name, data, OURS)
    assert known(we, f"{name}-2", data, OURS)
    we.put(name, b"another", OURS)
    assert known(we, f"{name}-3", data, OURS), "it is in the history"


def test_the_digest_of_what_others_have_buys_nothing(we: Caller, they: Caller, everybody: Caller, name: str) -> None:
    data = name.encode()
    they.put(name, data, THEIRS)
    assert not known(we, f"{name}-2", data, OURS)
    assert known(everybody, f"{name}-3", data, None)
    assert we.put(f"{name}-2", data, OURS) == 0, "with the bytes it is an upload like any other"
    assert known(we, f"{name}-4", data, OURS)


def test_who_may_not_read_must_send_the_bytes(caller: Callable[[str], Caller], name: str) -> None:
    data = name.encode()
    caller("everybody").put(name, data)
    assert not known(caller("writer"), f"{name}-2", data, None)


# Records and events


def rejected(response: PublishResponse) -> list[str]:
    return [rejection.reason for rejection in response.rejections]


def test_messages_are_accepted_for_our_campaign_only_one_by_one(we: Caller, everybody: Caller, name: str) -> None:
    response = we.provenance.Publish(
        batch(
            task(f"{name}-1", campaign_id=OURS, workflow_id=name),
            task(f"{name}-2", campaign_id=THEIRS, workflow_id=name),
            task(f"{name}-3", workflow_id=name),
            task(f"{name}-1", used={"x": 1}),
        )
    )
    assert [(rejection.index, rejection.reason) for rejection in response.rejections] == [
        (1, "CAMPAIGN_DENIED"),
        (2, "CAMPAIGN_DENIED"),
    ]
    assert response.stored_count == 2
    stored = find(everybody.provenance, {"workflow_id": name})
    assert [(found["task_id"], found["used"]) for found in stored] == [(f"{name}-1", {"x": 1})]


@pytest.mark.parametrize("campaign", [THEIRS, None])
@pytest.mark.parametrize("given", [{}, {"campaign_id": OURS}])
def test_a_message_is_not_merged_into_a_record_of_others(
    we: Caller, everybody: Caller, name: str, campaign: str | None, given: dict[str, str]
) -> None:
    known_campaign = {} if campaign is None else {"campaign_id": campaign}
    everybody.publish(name, used={"x": 1}, **known_campaign)
    response = we.publish(name, used={"y": 2}, **given)
    assert rejected(response) == ["CAMPAIGN_DENIED"]
    assert THEIRS not in response.rejections[0].message
    assert [found["used"] for found in find(everybody.provenance, {"task_id": name})] == [{"x": 1}]


def test_a_record_is_not_moved_to_another_campaign(we: Caller, name: str) -> None:
    we.publish(name, campaign_id=OURS)
    assert rejected(we.publish(name, campaign_id=THEIRS)) == ["CAMPAIGN_DENIED"]
    assert len(find(we.provenance, {"task_id": name})) == 1


def test_a_message_id_of_others_does_not_make_ours_a_repeat(we: Caller, they: Caller, name: str) -> None:
    they.publish(f"{name}-1", name, campaign_id=THEIRS)
    assert we.publish(f"{name}-2", name, campaign_id=OURS).stored_count == 1
    assert we.publish(f"{name}-2", name, campaign_id=OURS).duplicate_count == 1


def test_queries_see_our_campaign_only(we: Caller, everybody: Caller, name: str) -> None:
    everybody.publish(f"{name}-1", campaign_id=OURS, workflow_id=name)
    everybody.publish(f"{name}-2", campaign_id=THEIRS, workflow_id=name)
    everybody.publish(f"{name}-3", workflow_id=name)
    ours = [f"{name}-1"]
    for condition in (
        {"workflow_id": name},
        {"workflow_id": name, "$or": [{"campaign_id": THEIRS}, {"task_id": {"$exists": True}}]},
        {"workflow_id": name, "campaign_id": {"$ne": OURS + "x"}},
    ):
        assert [found["task_id"] for found in find(we.provenance, condition)] == ours
    for hidden in ({"campaign_id": THEIRS}, {"task_id": f"{name}-2"}, {"workflow_id": name, "campaign_id": None}):
        assert find(we.provenance, hidden) == []


def test_aggregations_count_our_campaign_only(we: Caller, everybody: Caller, name: str) -> None:
    for campaign in (OURS, OURS, THEIRS):
        everybody.publish(uuid.uuid4().hex, campaign_id=campaign, workflow_id=name)
    (counted,) = find(we.provenance, {"workflow_id": name}, aggregations=[{"operator": "AGGREGATION_OPERATOR_COUNT"}])
    assert 2 in counted.values()


@pytest.mark.parametrize("collection", ["OBJECTS", "OBJECT_HISTORY"])
def test_queries_see_the_versions_of_our_campaign_only(
    we: Caller, everybody: Caller, name: str, collection: str
) -> None:
    for object_id, campaign in ((f"{name}-1", OURS), (f"{name}-2", THEIRS)):
        for _ in range(2):
            everybody.put(object_id, campaign=campaign, workflow_id=name)
    found = find(we.provenance, {"workflow_id": name}, collection=collection)
    assert [version["object_id"] for version in found] == [f"{name}-1"]


def test_a_filter_that_is_wrong_is_told_in_the_caller_s_words(we: Caller, everybody: Caller) -> None:
    condition = {"x": {"$where": "1"}}
    assert failure(lambda: find(we.provenance, condition)) == failure(lambda: find(everybody.provenance, condition))


def test_subscriptions_see_our_campaign_only(we: Caller, they: Caller, everybody: Caller, name: str) -> None:
    streams = [
        subscribe(we.provenance),
        subscribe(we.provenance, filter=EventFilter(campaign_ids=[OURS, THEIRS])),
    ]
    deaf = subscribe(we.provenance, filter=EventFilter(campaign_ids=[THEIRS]))
    they.publish(f"{name}-1", campaign_id=THEIRS)
    everybody.publish(f"{name}-2")
    they.put(f"{name}-3", campaign=THEIRS)
    we.publish(f"{name}-4", campaign_id=OURS)
    for stream in streams:
        response = next(response for response in stream if response.events)
        assert [event.id for event in response.events] == [f"{name}-4"]
        stream.cancel()
    assert not next(iter(deaf)).events, "only the log's position"
    deaf.cancel()


def test_a_durable_consumer_belongs_to_those_of_one_campaign(
    we: Caller, they: Caller, caller: Callable[[str], Caller], name: str
) -> None:
    sequence = we.publish(name, campaign_id=OURS).last_sequence
    assert we.provenance.Acknowledge(AcknowledgeRequest(consumer=name, sequence=sequence - 1)).sequence == sequence - 1
    they.provenance.Acknowledge(AcknowledgeRequest(consumer=name, sequence=sequence))
    assert they.provenance.DeleteConsumer(DeleteConsumerRequest(consumer=name)).sequence == sequence
    assert failure(partial(they.provenance.DeleteConsumer, DeleteConsumerRequest(consumer=name)))[1] == (
        "CONSUMER_NOT_FOUND"
    )
    stream = subscribe(caller("we-too").provenance, consumer=name)
    response = next(response for response in stream if response.events)
    assert [event.id for event in response.events] == [name]
    stream.cancel()


def test_an_admin_deletes_the_records_of_its_campaign_only(caller: Callable[[str], Caller], name: str) -> None:
    everybody, admin = caller("everybody"), caller("our-admin")
    everybody.publish(f"{name}-1", campaign_id=OURS, workflow_id=name)
    everybody.publish(f"{name}-2", campaign_id=THEIRS, workflow_id=name)
    everybody.publish(f"{name}-3", workflow_id=name)
    for campaign in (THEIRS, "which-does-not-exist"):
        deletion = partial(admin.provenance.DeleteRecords, DeleteRecordsRequest(campaign_id=campaign))
        assert failure(deletion)[:2] == DENIED
    assert admin.provenance.DeleteRecords(DeleteRecordsRequest(workflow_id=name)).task_count == 1
    left = find(everybody.provenance, {"workflow_id": name})
    assert sorted(found["task_id"] for found in left) == [f"{name}-2", f"{name}-3"]


def test_large_payloads_are_confined_in_every_thread_that_moves_them(we: Caller, they: Caller, name: str) -> None:
    data = pattern(20 * MIB)
    begun = header(name, name, fields=ObjectFields(campaign_id=OURS))
    broken = we.blobs.refused([begun, *chunks(data[: 12 * MIB])])
    assert broken.reason == "UPLOAD_NOT_COMMITTED"
    assert not they.blobs.staged(name).exists
    assert we.blobs.staged(name).staged_bytes == 12 * MIB
    we.blobs.upload([begun, *chunks(data, 12 * MIB), commit(data)])
    assert we.blobs.get(name) == data
    assert failure(lambda: they.blobs.get(name))[:2] == NOT_FOUND
