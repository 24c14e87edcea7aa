"""Deleting records and durable consumers."""

from __future__ import annotations

from dataclasses import dataclass

from flowcept.checks import text
from flowcept.transport._connection import Connection
from flowcept.v1 import provenance_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many records were deleted."""

    tasks: int
    workflows: int
    agents: int


def delete_records(
    connection: Connection, *, workflow_id: str | None = None, campaign_id: str | None = None
) -> Deleted:
    """Delete the tasks, workflows and agents of a workflow execution or of a campaign. Give exactly one of them.

    Raises:
        FlowceptError: As ``Provenance.DeleteRecords`` documents.
    """
    request = pb.DeleteRecordsRequest(workflow_id=workflow_id, campaign_id=campaign_id)
    response = connection.call_unrepeatable(lambda stubs: stubs.provenance.DeleteRecords, request)
    return Deleted(response.task_count, response.workflow_count, response.agent_count)


def delete_consumer(connection: Connection, consumer: str) -> int:
    """Delete a durable consumer; the sequence that it had acknowledged.

    Raises:
        NotFoundError: CONSUMER_NOT_FOUND.
        InvalidArgumentError: The name is not valid.
    """
    request = pb.DeleteConsumerRequest(consumer=text("consumer", consumer))
    return connection.call_unrepeatable(lambda stubs: stubs.provenance.DeleteConsumer, request).sequence
