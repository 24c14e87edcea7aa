"""A service that refuses a call because it shuts down has done nothing: even a deletion is asked for again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowcept.errors import CancelledError, Reason, UnavailableError
from tests.client.conftest import Connect
from tests.client.fake_blob_store import FakeBlobStore, serving
from tests.support.server import ServerProcess


def refusing(reason: Reason, times: int) -> Callable[[str, int], None]:
    def refuse(call: str, number: int) -> None:
        if call == "DeleteObject" and number < times:
            raise UnavailableError("not now", reason=reason)

    return refuse


@pytest.fixture
def store() -> FakeBlobStore:
    store = FakeBlobStore()
    store.put("object", b"bytes")
    return store


def test_a_deletion_that_a_service_at_its_end_refuses_is_asked_for_again(
    store: FakeBlobStore, connect: Connect
) -> None:
    store.before = refusing(Reason.DRAINING, 2)
    with serving(store) as target:
        assert connect(target).delete_object("object").object_id == "object"
    assert store.calls == ["DeleteObject"] * 3


def test_a_deletion_that_may_have_happened_is_not(store: FakeBlobStore, connect: Connect) -> None:
    store.before = refusing(Reason.STORAGE_UNAVAILABLE, 1)
    with serving(store) as target, pytest.raises(UnavailableError):
        connect(target).delete_object("object")
    assert store.calls == ["DeleteObject"]


def test_a_service_that_keeps_refusing_is_given_up(store: FakeBlobStore, connect: Connect) -> None:
    store.before = refusing(Reason.DRAINING, 1000)
    with serving(store) as target, pytest.raises(UnavailableError) as caught:
        connect(target, retry={"max_attempts": 3, "initial_backoff": 0.01, "max_backoff": 0.02}).delete_object("object")
    assert caught.value.reason is Reason.DRAINING
    assert store.calls == ["DeleteObject"] * 3


@pytest.fixture
def cancelling(store: FakeBlobStore) -> FakeBlobStore:
    """A store that cancels its first call, as a server that stops does with calls that it has not begun."""

    def cancel(call: str, number: int) -> None:
        if number == 0:
            raise CancelledError("the service ends")

    store.before = cancel
    return store


def test_a_call_that_a_stopping_service_cancels_is_asked_for_again(cancelling: FakeBlobStore, connect: Connect) -> None:
    with serving(cancelling) as target:
        assert connect(target).get_blob_object("object").object_size_bytes == 5
    assert cancelling.calls == ["GetObject"] * 2


def test_a_deletion_that_a_stopping_service_cancels_is_asked_for_again(
    cancelling: FakeBlobStore, connect: Connect
) -> None:
    with serving(cancelling) as target:
        assert connect(target).delete_object("object").object_id == "object"
    assert cancelling.calls == ["DeleteObject"] * 2


def test_a_call_that_the_service_cancels_is_unavailable_where_nothing_is_repeated(
    cancelling: FakeBlobStore, connect: Connect
) -> None:
    with serving(cancelling) as target, pytest.raises(UnavailableError, match="ended the call"):
        connect(target, retry={"max_attempts": 1}).get_blob_object("object")


def test_a_deletion_waits_for_a_service_that_was_away_a_moment_ago(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        db = connect(server.target, retry={"max_attempts": 2, "initial_backoff": 2.0, "max_backoff": 2.0})
        db.publish([{"type": "task", "task_id": "t", "workflow_id": "w"}])
        server.kill()
        with pytest.raises(UnavailableError):
            db.get_blob_object("object")  # from here on gRPC waits two seconds before it looks again
        server.start()
        assert db.delete_workflow_data("w")["tasks"] == 1
