"""Objects and their versions belong to campaigns: those of others are answered like ones that do not exist."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from flowcept.v1.blob_store_service_pb2 import (
    DeleteObjectRequest,
    GetObjectRequest,
    ListVersionsRequest,
    ObjectFields,
    UpdateObjectRequest,
)
from tests.rpc.security.confinement.conftest import DENIED, NOT_FOUND, OURS, THEIRS, Caller, failure
from tests.support.blobs import Blobs, chunk, commit, header
from tests.support.provenance import find

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
