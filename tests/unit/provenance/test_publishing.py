from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any
from weakref import ref

import pytest

from flowcept.errors import FlowceptError, InvalidArgumentError, Reason, UnavailableError
from flowcept_service.domain.campaigns import Campaigns
from flowcept_service.domain.limits import MAX_RECORD_BYTES
from flowcept_service.domain.records import Collection, Document, RecordWrite, WriteOutcome
from flowcept_service.provenance.inserter import InserterSettings, PrepareContext
from flowcept_service.provenance.publishing import MAX_MESSAGES, IncomingMessage, Publisher, PublishOutcome
from flowcept_service.query import Query, QueryBudget, decode

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Records:
    """A ``RecordStore`` that merges into a dict."""

    def __init__(self) -> None:
        self.records: dict[str, Document] = {}
        self._seen: set[str] = set()
        self._sequences = count(1)

    def write(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
        return [self._write(write) for write in writes]

    def _write(self, write: RecordWrite) -> WriteOutcome:
        if write.message_id and write.message_id in self._seen:
            return WriteOutcome()
        try:
            self.records[write.record_id] = decode(write.merge(self.records.get(write.record_id)).data)
        except FlowceptError as error:
            return WriteOutcome(error=error)
        self._seen.add(write.message_id)
        return WriteOutcome(next(self._sequences))

    def get(self, collection: Collection, record_id: str) -> Document | None:
        raise NotImplementedError

    def find(
        self, collection: Collection, query: Query, budget: QueryBudget | None = None
    ) -> Generator[bytes, None, None]:
        raise NotImplementedError

    def count(self, collection: Collection, campaign_id: str | None = None) -> int:
        raise NotImplementedError

    def delete(self, field: str, value: str, campaigns: Campaigns = None) -> Mapping[Collection, int]:
        raise NotImplementedError


class AbsentRecords(Records):
    def write(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
        raise UnavailableError("away", reason=Reason.STORAGE_UNAVAILABLE)


def publisher(records: Records) -> Publisher:
    ids = count()
    return Publisher(records, InserterSettings(), PrepareContext(lambda: NOW, lambda: f"generated-{next(ids)}"))


def publish(records: Records, messages: Sequence[IncomingMessage | InvalidArgumentError]) -> PublishOutcome:
    return publisher(records).publish(messages, read)


def read(message: IncomingMessage | InvalidArgumentError) -> IncomingMessage:
    if isinstance(message, InvalidArgumentError):
        raise message
    return message


def task(task_id: str, **fields: Any) -> IncomingMessage:
    return IncomingMessage({"type": "task", "task_id": task_id, **fields})


def test_messages_are_stored_and_counted() -> None:
    records = Records()
    outcome = publish(records, [task("a", activity_id="train"), task("b")])
    assert (outcome.stored, outcome.duplicates, list(outcome.rejections), outcome.last_sequence) == (2, 0, [], 2)
    assert records.records["a"]["activity_id"] == "train"


def test_one_bad_message_among_500_is_rejected_by_index_and_the_others_are_stored() -> None:
    records = Records()
    messages = [task(f"t{i}") for i in range(500)]
    messages[123] = task("t123", used={"n": {"big": 2**64}})
    outcome = publish(records, messages)
    assert (outcome.stored, len(records.records)) == (499, 499)
    [(index, error)] = outcome.rejections
    assert (index, error.reason, error.metadata["field"]) == (123, Reason.INVALID_DOCUMENT, "used.n.big")


def test_a_message_that_could_not_be_decoded_is_rejected_in_its_place() -> None:
    undecodable = InvalidArgumentError("damaged", field="used")
    outcome = publish(Records(), [task("a"), undecodable, task("b", status="NO SUCH STATUS")])
    assert outcome.stored == 1
    assert [index for index, _ in outcome.rejections] == [1, 2]
    assert outcome.rejections[0][1] is undecodable


def test_rejections_are_in_the_order_of_the_messages_whoever_refused_them() -> None:
    class Refusing(Records):
        def write(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
            return [WriteOutcome(error=InvalidArgumentError("too large", reason=Reason.RECORD_TOO_LARGE))] * len(writes)

    outcome = publish(Refusing(), [task("a"), IncomingMessage({}), task("a")])
    assert [index for index, _ in outcome.rejections] == [0, 1, 2]
    assert (outcome.stored, outcome.last_sequence) == (0, 0)


def test_a_repeated_message_is_acknowledged_and_not_stored_again() -> None:
    records = Records()
    message = IncomingMessage({"type": "task", "activity_id": "x"}, message_id="m1")
    service = publisher(records)
    first, second = service.publish([message], read), service.publish([message], read)
    assert (first.stored, first.duplicates) == (1, 0)
    assert (second.stored, second.duplicates, second.last_sequence) == (0, 1, 0)
    assert len(records.records) == 1


def test_messages_about_one_record_merge_in_any_order() -> None:
    start = task("a", status="RUNNING", started_at=1.0, used={"x": 1})
    end = task("a", status="FINISHED", ended_at=2.0, generated={"y": 2})
    stored = []
    for order in ([start, end], [end, start]):
        records = Records()
        publish(records, order)
        stored.append(records.records["a"])
    assert stored[0] == stored[1]
    assert (stored[0]["status"], stored[0]["used"], stored[0]["generated"]) == ("FINISHED", {"x": 1}, {"y": 2})


def test_a_message_id_that_is_too_long_is_rejected() -> None:
    outcome = publish(Records(), [IncomingMessage({"task_id": "a"}, message_id="m" * 256)])
    assert outcome.rejections[0][1].reason is Reason.INVALID_IDENTIFIER
    assert outcome.rejections[0][1].metadata["field"] == "message_id"


def test_a_message_that_is_too_large_alone_is_rejected() -> None:
    outcome = publish(Records(), [task("a"), task("b", used={"text": "x" * MAX_RECORD_BYTES})])
    [(index, error)] = outcome.rejections
    assert (index, error.reason, outcome.stored) == (1, Reason.RECORD_TOO_LARGE, 1)


def test_hardly_a_message_of_a_batch_is_decoded_at_the_same_time() -> None:
    class Fields(dict[str, Any]):
        """Fields that can be watched."""

    watched: list[ref[Fields]] = []
    alive: list[int] = []

    def decoded(number: int) -> IncomingMessage:
        alive.append(sum(fields() is not None for fields in watched))
        fields = Fields(type="task", task_id=f"t{number}")
        watched.append(ref(fields))
        return IncomingMessage(fields)

    publisher(Records()).publish(range(20), decoded)

    assert max(alive) <= 1


def test_an_empty_batch_stores_nothing() -> None:
    outcome = publish(AbsentRecords(), [])
    assert (outcome.stored, outcome.last_sequence) == (0, 0)


def test_a_batch_with_too_many_messages_is_refused_as_a_whole() -> None:
    records = Records()
    with pytest.raises(InvalidArgumentError, match="send several batches"):
        publish(records, [task("a")] * (MAX_MESSAGES + 1))
    assert records.records == {}


def test_a_failure_of_the_store_fails_the_batch() -> None:
    with pytest.raises(UnavailableError):
        publish(AbsentRecords(), [task("a")])


def test_the_messages_of_a_batch_are_registered_at_one_time_in_whole_milliseconds() -> None:
    times = iter([NOW.replace(microsecond=1999), NOW.replace(year=2030)])
    records = Records()
    batches = Publisher(records, InserterSettings(), PrepareContext(lambda: next(times), lambda: "made"))
    batches.publish([task("a"), task("b")], read)
    assert {records.records[name]["registered_at"] for name in "ab"} == {NOW.replace(microsecond=1000)}
