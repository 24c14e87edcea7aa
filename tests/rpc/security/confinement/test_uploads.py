"""Uploads by their identifier and by their content, within a campaign."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import grpc

from flowcept.v1.blob_store_service_pb2 import (
    AbortUploadRequest,
    ObjectFields,
    UpdateObjectRequest,
)
from tests.rpc.security.confinement.conftest import NOT_FOUND, OURS, THEIRS, Caller, failure
from tests.support.blobs import MIB, chunk, chunks, commit, failure_of, header, pattern, sha256


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
