from pathlib import Path

from flowcept.errors import InvalidArgumentError, NotFoundError, OutOfRangeError, Reason
from flowcept.v1.provenance_service_pb2 import (
    LOG_EDGE_EARLIEST,
    LOG_EDGE_LATEST,
    AcknowledgeRequest,
    DeleteConsumerRequest,
)
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.rpc.provenance.conftest import connected
from tests.support.provenance import batch, events_until, refused, subscribe, task
from tests.support.server import service_in_process


def acknowledge(stub: ProvenanceStub, sequence: int, consumer: str = "c") -> int:
    return stub.Acknowledge(AcknowledgeRequest(consumer=consumer, sequence=sequence)).sequence


def delete(stub: ProvenanceStub, consumer: str = "c") -> int:
    return stub.DeleteConsumer(DeleteConsumerRequest(consumer=consumer)).sequence


def publish(stub: ProvenanceStub, count: int) -> None:
    stub.Publish(batch(*(task(f"t{n}") for n in range(count))))


def consumed(stub: ProvenanceStub, until: int, consumer: str = "c") -> list[int]:
    stream = subscribe(stub, consumer=consumer, edge=LOG_EDGE_EARLIEST)
    return [event.sequence for event in events_until(stream, until)]


def test_what_was_not_acknowledged_is_sent_again(stub: ProvenanceStub) -> None:
    publish(stub, 5)
    assert consumed(stub, 5) == [1, 2, 3, 4, 5]
    acknowledge(stub, 2)
    assert consumed(stub, 5) == [3, 4, 5]


def test_acknowledging_never_moves_a_consumer_backward(stub: ProvenanceStub) -> None:
    publish(stub, 5)
    assert acknowledge(stub, 4) == 4
    assert acknowledge(stub, 2) == 4
    assert consumed(stub, 5) == [5]


def test_a_consumer_comes_into_being_where_its_first_subscription_starts(stub: ProvenanceStub) -> None:
    publish(stub, 2)
    subscribe(stub, consumer="c", edge=LOG_EDGE_LATEST).cancel()
    publish(stub, 3)
    assert consumed(stub, 5) == [3, 4, 5]


def test_a_consumer_comes_into_being_by_an_acknowledgement(stub: ProvenanceStub) -> None:
    publish(stub, 3)
    acknowledge(stub, 1)
    assert consumed(stub, 3) == [2, 3]


def test_consumers_are_apart_from_each_other(stub: ProvenanceStub) -> None:
    publish(stub, 3)
    acknowledge(stub, 2, "a")
    assert consumed(stub, 3, "a") == [3]
    assert consumed(stub, 3, "b") == [1, 2, 3]


def test_acknowledging_what_the_log_has_not_reached_is_an_error(stub: ProvenanceStub) -> None:
    publish(stub, 3)
    with refused() as errors:
        acknowledge(stub, 4)
    assert isinstance(errors[0], OutOfRangeError)
    assert (errors[0].reason, errors[0].metadata["last_sequence"]) == (Reason.SEQUENCE_NOT_REACHED, "3")


def test_a_consumer_has_a_name(stub: ProvenanceStub) -> None:
    with refused() as errors:
        acknowledge(stub, 0, "")
    assert isinstance(errors[0], InvalidArgumentError)
    assert errors[0].metadata["field"] == "consumer"


def test_a_deleted_consumer_tells_where_it_stood_and_begins_anew(stub: ProvenanceStub) -> None:
    publish(stub, 3)
    acknowledge(stub, 2)
    assert delete(stub) == 2
    assert consumed(stub, 3) == [1, 2, 3]


def test_a_consumer_that_does_not_exist_cannot_be_deleted(stub: ProvenanceStub) -> None:
    with refused() as errors:
        delete(stub, "nobody")
    assert isinstance(errors[0], NotFoundError)
    assert (errors[0].reason, errors[0].metadata["consumer"]) == (Reason.CONSUMER_NOT_FOUND, "nobody")


def test_a_consumer_to_delete_has_a_name(stub: ProvenanceStub) -> None:
    with refused() as errors:
        delete(stub, "")
    assert isinstance(errors[0], InvalidArgumentError)
    assert errors[0].metadata["field"] == "consumer"


def test_a_subscription_goes_on_when_its_consumer_is_deleted(stub: ProvenanceStub) -> None:
    publish(stub, 2)
    stream = subscribe(stub, consumer="c", edge=LOG_EDGE_EARLIEST)
    received = 0
    while received < 2:
        received += len(next(stream).events)
    delete(stub)
    publish(stub, 3)
    assert [event.sequence for event in events_until(stream, 5)] == [3, 4, 5]


def test_a_consumer_survives_a_restart_of_the_service_and_of_itself(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as service, connected(service) as stub:
        publish(stub, 5)
        assert consumed(stub, 5) == [1, 2, 3, 4, 5]
        acknowledge(stub, 3)
    with service_in_process(tmp_path) as service, connected(service) as stub:
        assert consumed(stub, 5) == [4, 5]
