"""Every limit: what is over it is refused with its reason, and what is not goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import (
    AbortUploadRequest,
    DownloadRequest,
    GetObjectRequest,
    ListVersionsRequest,
    UploadRequest,
)
from flowcept.v1.provenance_service_pb2 import (
    COLLECTION_TASKS,
    PublishRequest,
    PublishResponse,
    QueryRequest,
    SubscribeRequest,
)
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, Failure, chunks, commit, failure_of, header, pattern
from tests.support.conditions import eventually
from tests.support.metrics import scrape
from tests.support.provenance import DEADLINE, document, find, task
from tests.support.security import entry, sending, token_of
from tests.support.server import service_in_process

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
INVALID = grpc.StatusCode.INVALID_ARGUMENT


@contextmanager
def served(directory: Path, **limits: Any) -> Iterator[tuple[Service, grpc.Channel]]:
    """A service with limits, and a channel to it."""
    connections = limits.pop("connections", {})
    with (
        service_in_process(
            directory / "data",
            limits=limits,
            connections=connections,
            observability={"http_listen": "127.0.0.1:0"},
        ) as service,
        grpc.insecure_channel(service.target) as channel,
    ):
        yield service, channel


@contextmanager
def served_to(directory: Path, *names: str, **limits: Any) -> Iterator[list[grpc.Channel]]:
    """A service with limits, and a channel to it for each of some principals."""
    tokens = directory / "tokens.toml"
    tokens.write_text("".join(entry(name, scopes=["read", "write", "publish"]) for name in names))
    security = {"auth_tokens_file": tokens}
    with ExitStack() as stack:
        service = stack.enter_context(service_in_process(directory / "data", limits=limits, security=security))
        channels = [stack.enter_context(grpc.insecure_channel(service.target)) for _ in names]
        yield [sending(channel, token_of(name)) for channel, name in zip(channels, names, strict=True)]


class OpenUpload:
    """An upload whose messages are sent one by one."""

    def __init__(self, channel: grpc.Channel, upload_id: str, *messages: UploadRequest) -> None:
        self._queue: SimpleQueue[UploadRequest | None] = SimpleQueue()
        for message in (header(upload_id, upload_id), *messages):
            self._queue.put(message)
        self.call: Any = Blobs(channel).stub.Upload.future(iter(self._queue.get, None), timeout=DEADLINE)

    def end(self, *messages: UploadRequest) -> None:
        for message in (*messages, None):
            self._queue.put(message)


def failure(call: Any) -> Failure:
    """How a call that is under way fails."""
    error = call.exception(timeout=DEADLINE)
    assert isinstance(error, grpc.RpcError)
    return failure_of(error)


def publish(channel: grpc.Channel, campaign: str, *ids: str) -> PublishResponse:
    return ProvenanceStub(channel).Publish(PublishRequest(messages=[task(i, campaign_id=campaign) for i in ids]))


def rows(count: int, size: int = 10) -> PublishRequest:
    return PublishRequest(messages=[task(f"t{n}", used={"pad": "x" * size}) for n in range(count)])


@pytest.mark.parametrize("promised", [True, False])
def test_a_payload_over_the_largest_size_is_refused_and_nothing_of_it_stays(tmp_path: Path, promised: bool) -> None:
    data = pattern(20 * MIB)
    fields: dict[str, Any] = {"object_size_bytes": len(data)} if promised else {}
    with served(tmp_path, upload_bytes=10 * MIB) as (_, channel):
        blobs = Blobs(channel)
        refusal = blobs.refused([header(**fields), *chunks(data), commit(data)])
        assert (refusal.code, refusal.reason) == (INVALID, "UPLOAD_TOO_LARGE")
        assert refusal.metadata["limit"] == str(10 * MIB)
        assert not blobs.staged().exists
        assert blobs.put(data[: 10 * MIB], "fits").object_size_bytes == 10 * MIB


def test_uploads_beyond_the_staged_bytes_wait_until_others_are_committed_or_dropped(tmp_path: Path) -> None:
    data = pattern(20 * MIB)
    with served(tmp_path, staged_bytes=17 * MIB) as (_, channel):
        blobs = Blobs(channel)
        assert blobs.refused([header("first"), *chunks(data[: 16 * MIB])]).reason == "UPLOAD_NOT_COMMITTED"
        refusal = blobs.refused([header("second", "other"), *chunks(data), commit(data)])
        assert (refusal.code, refusal.reason) == (EXHAUSTED, "QUOTA_EXCEEDED")
        assert (refusal.metadata["quota"], refusal.metadata["limit"]) == ("staged_bytes", str(17 * MIB))
        assert blobs.put(data[:MIB], "small", "small").version == 0, "what is never staged takes nothing"
        assert blobs.stub.AbortUpload(AbortUploadRequest(upload_id="first")).existed
        rest = data[: 16 * MIB]
        eventually(
            lambda: Blobs.succeeds(lambda: blobs.upload([header("third", "third"), *chunks(rest), commit(rest)]))
        )


def test_staged_bytes_are_counted_for_each_principal_of_its_own(tmp_path: Path) -> None:
    data = pattern(20 * MIB)
    with served_to(tmp_path, "alice", "bob", staged_bytes_per_principal=17 * MIB) as (alice, bob):
        Blobs(alice).refused([header("first"), *chunks(data[: 16 * MIB])])
        refusal = Blobs(alice).refused([header("second"), *chunks(data), commit(data)])
        assert (refusal.reason, refusal.metadata["principal"]) == ("QUOTA_EXCEEDED", "alice")
        assert Blobs(bob).put(data[: 16 * MIB], "third", "of bob").version == 0


def test_one_principal_cannot_take_the_uploads_of_another(tmp_path: Path) -> None:
    with served_to(tmp_path, "alice", "bob", uploads_per_principal=2) as (alice, bob):
        uploads = [OpenUpload(alice, f"u{n}", *chunks(pattern(9 * MIB))) for n in range(2)]
        eventually(lambda: all(Blobs(alice).staged(f"u{n}").exists for n in range(2)))
        refusal = Blobs(alice).refused([header("u3"), commit(b"")])
        assert (refusal.code, refusal.reason) == (EXHAUSTED, "TOO_MANY_UPLOADS")
        assert (refusal.metadata["limit"], refusal.metadata["principal"]) == ("2", "alice")
        assert Blobs(bob).put(b"x", "u4", "of bob").version == 0
        for upload in uploads:
            upload.end(commit(pattern(9 * MIB)))
            assert upload.call.result(DEADLINE).object.version == 0
        assert Blobs(alice).put(b"x", "u5", "later").version == 0


def test_one_principal_cannot_take_the_downloads_queries_and_subscriptions_of_another(tmp_path: Path) -> None:
    limits = {"downloads_per_principal": 1, "subscriptions_per_principal": 1}
    with served_to(tmp_path, "alice", "bob", **limits) as (alice, bob):
        Blobs(alice).put(pattern(32 * MIB), "u")
        download = Blobs(alice).stub.Download(DownloadRequest(object_id="object"), timeout=DEADLINE)
        next(download)
        subscription = ProvenanceStub(alice).Subscribe(SubscribeRequest(), timeout=DEADLINE)
        next(subscription)
        query = Blobs.failing(lambda: list(find(ProvenanceStub(alice))))
        assert (query.code, query.reason, query.metadata["quota"]) == (EXHAUSTED, "QUOTA_EXCEEDED", "downloads")
        second = Blobs.failing(lambda: next(ProvenanceStub(alice).Subscribe(SubscribeRequest(), timeout=DEADLINE)))
        assert (second.code, second.reason) == (EXHAUSTED, "TOO_MANY_SUBSCRIPTIONS")
        assert find(ProvenanceStub(bob)) == []
        next(ProvenanceStub(bob).Subscribe(SubscribeRequest(), timeout=DEADLINE))
        download.cancel()
        subscription.cancel()
        eventually(lambda: Blobs.succeeds(lambda: find(ProvenanceStub(alice))))


def test_a_campaign_has_no_more_payload_bytes_than_its_quota(tmp_path: Path) -> None:
    campaign = {"fields": {"campaign_id": "c"}}
    with served(tmp_path, campaign_bytes=3 * MIB) as (_, channel):
        blobs = Blobs(channel)
        blobs.put(pattern(2 * MIB), "u1", "o1", control_version=True, **campaign)
        refusal = blobs.refused([header("u2", "o2", object_size_bytes=2 * MIB, **campaign)])
        assert (refusal.code, refusal.reason) == (EXHAUSTED, "QUOTA_EXCEEDED")
        assert (refusal.metadata["quota"], refusal.metadata["campaign_id"]) == ("campaign_bytes", "c")
        # A new version belongs to the campaign of its object, whether or not it says so.
        data = pattern(2 * MIB, seed=1)
        assert blobs.refused([header("u3", "o1"), *chunks(data), commit(data)]).reason == "QUOTA_EXCEEDED"
        assert blobs.put(data, "u4", "elsewhere").version == 0
        assert blobs.put(pattern(MIB // 2, seed=2), "u5", "o1").version == 1


def test_a_campaign_has_no_more_records_than_its_quota_and_others_are_not_concerned(tmp_path: Path) -> None:
    with served(tmp_path, campaign_records=3) as (_, channel):
        assert publish(channel, "c", "t1", "t2").stored_count == 2
        answer = publish(channel, "c", "t1", "t3", "t4", "t4")
        assert answer.stored_count == 2, "t1 was there, t3 is the third"
        assert [(item.index, item.reason) for item in answer.rejections] == [
            (2, "QUOTA_EXCEEDED"),
            (3, "QUOTA_EXCEEDED"),
        ]
        assert publish(channel, "other", "t5", "t6").stored_count == 2
        assert publish(channel, "c", "t1", "t2", "t3").stored_count == 3
        assert len(find(ProvenanceStub(channel), {"campaign_id": "c"})) == 3


def test_a_query_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with served(tmp_path, query_seconds=0.001) as (_, channel):
        ProvenanceStub(channel).Publish(rows(1000, 2000))
        for _ in range(3):  # each of them, so that what was ended keeps nothing busy
            refusal = Blobs.failing(lambda: find(ProvenanceStub(channel), {"used.pad": {"$regex": "(x+x+)+y"}}))
            assert (refusal.code, refusal.reason) == (EXHAUSTED, "QUERY_TOO_EXPENSIVE")


def test_results_over_their_largest_size_are_refused(tmp_path: Path) -> None:
    with served(tmp_path, query_result_bytes=100_000) as (_, channel):
        ProvenanceStub(channel).Publish(rows(200, 1000))
        refusal = Blobs.failing(lambda: find(ProvenanceStub(channel)))
        assert (refusal.code, refusal.reason) == (EXHAUSTED, "RESULT_TOO_LARGE")
        assert len(find(ProvenanceStub(channel), limit=50)) == 50


@pytest.mark.parametrize(
    "filter",
    [
        {"a": {"b": {"c": {"d": 1}}}},
        {"$or": [{"a": 1}] * 20},
        {"a": {"$in": ["x" * 100] * 20}},
        {"$or": [{"a": {"$regex": "x"}}, {"b": {"$regex": "y"}}]},
    ],
    ids=["depth", "clauses", "bytes", "patterns"],
)
def test_filters_over_a_limit_are_refused_in_queries_and_subscriptions(tmp_path: Path, filter: dict[str, Any]) -> None:
    with served(tmp_path, filter_depth=3, filter_clauses=10, filter_bytes=1024, filter_patterns=1) as (_, channel):
        stub = ProvenanceStub(channel)
        requests = [
            lambda: find(stub, filter),
            lambda: next(stub.Subscribe(SubscribeRequest(filter={"document": document(filter)}), timeout=DEADLINE)),
        ]
        for request in requests:
            refusal = Blobs.failing(request)
            assert (refusal.code, refusal.reason) == (INVALID, "INVALID_FILTER")
        assert find(stub, {"a": {"$regex": "x"}}) == []


def test_an_upload_that_sends_nothing_for_long_gives_its_place_to_others_and_keeps_its_bytes(
    tmp_path: Path, accepted: list[int]
) -> None:
    data = pattern(9 * MIB)
    with served(tmp_path, max_uploads=1, idle_seconds=0.3) as (service, channel):
        idle = OpenUpload(channel, "idle", *chunks(data))
        assert failure(idle.call).code == grpc.StatusCode.CANCELLED
        eventually(lambda: Blobs.succeeds(lambda: Blobs(channel).put(b"x", "next")))
        # Not all of the data, if this client could not send for a while.
        arrived = sum(size for size in accepted if size == MIB)
        eventually(lambda: Blobs(channel).staged("idle").staged_bytes == arrived)
        assert scrape(service).value("flowcept_refusals_total", grpc_method="Upload", reason="DEADLINE") >= 1


def test_a_download_that_takes_nothing_for_long_gives_its_thread_to_others(tmp_path: Path) -> None:
    with served(tmp_path, max_downloads=1, idle_seconds=0.3) as (_, channel):
        blobs = Blobs(channel)
        blobs.put(pattern(32 * MIB), "u")
        idle = blobs.stub.Download(DownloadRequest(object_id="object"), timeout=DEADLINE)
        assert find(ProvenanceStub(channel)) == [], "the query has the one thread, once it is free"
        assert Blobs.failing(lambda: list(idle)).code == grpc.StatusCode.CANCELLED


@pytest.mark.parametrize(
    "method",
    ["/flowcept.v1.BlobStore/GetObject", "/flowcept.v1.Provenance/Query", "/grpc.health.v1.Health/Check"],
)
def test_calls_that_never_send_their_request_do_not_keep_others_waiting_for_long(tmp_path: Path, method: str) -> None:
    with served(tmp_path, max_calls=2, max_downloads=2, request_seconds=0.3) as (_, channel):
        silence = threading.Event()
        call: Any = channel.stream_unary(method)
        silent = [call.future(iter(silence.wait, True), timeout=DEADLINE) for _ in range(20)]
        try:
            # On a busy machine a request may itself come late; then its call is one of those that are ended.
            eventually(lambda: Blobs.succeeds(lambda: find(ProvenanceStub(channel))))
            eventually(lambda: Blobs.failing(lambda: Blobs(channel).object()).reason == "OBJECT_NOT_FOUND")
            assert {failure(one).code for one in silent} == {grpc.StatusCode.CANCELLED}
        finally:
            silence.set()


def test_metadata_over_its_largest_size_is_refused_and_the_connection_goes_on(tmp_path: Path) -> None:
    with served(tmp_path) as (_, channel):
        large = (("x-padding", "x" * (20 << 10)),)
        with pytest.raises(grpc.RpcError) as raised:
            Blobs(channel).stub.GetObject(GetObjectRequest(object_id="o"), metadata=large, timeout=DEADLINE)
        assert failure_of(raised.value).code == EXHAUSTED
        assert Blobs.failing(lambda: Blobs(channel).object()).reason == "OBJECT_NOT_FOUND"


def test_a_listing_as_json_is_cut_so_that_every_page_fits_into_a_message(tmp_path: Path) -> None:
    with served(tmp_path) as (_, channel):
        blobs = Blobs(channel)
        # Control characters take six bytes each in JSON.
        metadata = document({"text": "\x01" * 500_000})
        for version in range(6):
            blobs.put(b"x", f"u{version}", fields={"custom_metadata": metadata}, control_version=True)
        found: list[int] = []
        token = ""
        while True:
            page = blobs.stub.ListVersions(
                ListVersionsRequest(object_id="object", encoding="DOCUMENT_ENCODING_JSON", page_token=token),
                timeout=DEADLINE,
            )
            found += [version.version for version in page.objects]
            token = page.next_page_token
            if not token:
                break
        assert found == [5, 4, 3, 2, 1, 0]


def test_metadata_whose_json_would_not_fit_into_a_message_comes_as_bson(tmp_path: Path) -> None:
    with served(tmp_path) as (_, channel):
        blobs = Blobs(channel)
        blobs.put(b"x", "u", fields={"custom_metadata": document({"text": "\x01" * 1_000_000})})
        [listed] = blobs.stub.ListVersions(
            ListVersionsRequest(object_id="object", encoding="DOCUMENT_ENCODING_JSON"), timeout=DEADLINE
        ).objects
        found = blobs.object(encoding="DOCUMENT_ENCODING_JSON")
        assert listed.custom_metadata.WhichOneof("encoding") == "bson"
        assert found.custom_metadata.WhichOneof("encoding") == "bson"


def test_refusals_are_counted_by_their_reason(tmp_path: Path) -> None:
    with served(tmp_path, upload_bytes=1, filter_depth=1) as (service, channel):
        Blobs(channel).refused([header(object_size_bytes=2)])
        request = QueryRequest(collection=COLLECTION_TASKS, filter=document({"a": {"$gt": {"b": 1}}}))
        Blobs.failing(lambda: list(ProvenanceStub(channel).Query(request)))
        metrics = scrape(service)
        assert metrics.value("flowcept_refusals_total", grpc_method="Upload", reason="UPLOAD_TOO_LARGE") == 1
        assert metrics.value("flowcept_refusals_total", grpc_method="Query", reason="INVALID_FILTER") == 1
