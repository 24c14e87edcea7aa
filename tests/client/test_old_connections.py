"""Connections that the service ends because of their age: nobody loses or doubles anything."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

from flowcept.db import DBAPI
from tests.client.conftest import PATIENT, Connect
from tests.support.blobs import MIB, pattern
from tests.support.conditions import PATIENCE
from tests.support.server import service_in_process

EVENTS = 200


def test_subscribers_uploads_and_downloads_carry_on(tmp_path: Path, connect: Connect) -> None:
    data = pattern(40 * MIB)
    seen: list[str] = []
    with service_in_process(tmp_path / "data", connections={"age_seconds": 0.5, "grace_seconds": 0.3}) as service:
        db: DBAPI = connect(service.target, retry=PATIENT)

        def follow() -> None:
            with db.events(0) as events:
                for event in events:
                    seen.append(event.id)
                    if len(seen) == EVENTS:
                        return

        follower = Thread(target=follow)
        follower.start()
        for start in range(0, EVENTS, 10):
            messages: list[dict[str, Any]] = [{"type": "task", "task_id": f"t{n}"} for n in range(start, start + 10)]
            db.publish(messages)
            if start % 50 == 0:
                object_id = db.save_or_update_object(data, object_id="o")
                assert db.get_blob_object(object_id).data == data
        follower.join(PATIENCE)
    assert [name for name in seen if name != "o"] == [f"t{n}" for n in range(EVENTS)][: len(seen) - seen.count("o")]
    assert len(seen) == EVENTS
