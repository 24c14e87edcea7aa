"""Publishing through broken connections and restarts: everything is stored, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowcept.errors import UnavailableError
from tests.client.conftest import PATIENT, Connect
from tests.support.proxy import Fault, FaultyProxy
from tests.support.server import ServerProcess


def test_a_publication_outlives_restarts_of_the_service(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        db = connect(server.target, retry=PATIENT)

        def messages() -> Iterator[dict[str, Any]]:
            for number in range(5000):
                if number in (2500, 4500):
                    server.restart()
                yield {"type": "task", "task_id": f"t{number}", "used": {"i": number}}

        published = db.publish(messages())

        assert (published.stored, published.rejections) == (5000, ())
        assert db.query({}, aggregation=[("count", "*")])[0]["count"] == 5000
        with db.events(0, omit_documents=True) as events:
            sequences = [event.sequence for _, event in zip(range(5000), events, strict=False)]
        assert sequences == list(range(1, 5001))
        assert published.last_sequence == 5000


@pytest.mark.parametrize("received", [30, 60, 90, 120, 180, 240])
def test_wherever_the_answer_is_cut_off_a_batch_is_stored_once(
    service: str, connect: Connect, workflow_id: str, received: int
) -> None:
    messages = [{"type": "task", "message_id": f"{workflow_id}-{n}", "workflow_id": workflow_id} for n in range(100)]
    with FaultyProxy(service, Fault(after_received=received)) as link:
        # Cut within the first handshake, the service counts as never reached, and few attempts as enough.
        db = connect(link.target, retry={"max_attempts": 100, "initial_backoff": 0.02})

        first = db.publish(messages)
        second = db.publish(messages)

        assert link.connections > 1
    assert first.stored + first.duplicates == 100
    assert (second.stored, second.duplicates) == (0, 100)
    assert len(connect(service).task_query({"workflow_id": workflow_id})) == 100


def test_a_service_that_goes_away_for_good_ends_the_publication(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        db = connect(server.target, idle_timeout=0.5, retry={"max_attempts": 2, "initial_backoff": 0.01})

        def messages() -> Iterator[dict[str, Any]]:
            for number in range(3000):
                if number == 1500:
                    server.kill()
                yield {"type": "task", "task_id": f"t{number}"}

        with pytest.raises(UnavailableError):
            db.publish(messages())
        server.start()

        assert connect(server.target).query({}, aggregation=[("count", "*")])[0]["count"] == 1000
