"""The Provenance service: decode, one call, encode."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import grpc

from flowcept.v1.provenance_service_pb2 import (
    DESCRIPTOR,
    AcknowledgeRequest,
    AcknowledgeResponse,
    DeleteConsumerRequest,
    DeleteConsumerResponse,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    PublishRequest,
    PublishResponse,
    QueryRequest,
    SubscribeRequest,
)
from flowcept_service.domain.records import Collection
from flowcept_service.events.consumers import delete_consumer
from flowcept_service.events.subscription import Subscriptions
from flowcept_service.provenance.publishing import Publisher
from flowcept_service.provenance.querying import Queries
from flowcept_service.rpc.principal import current_principal
from flowcept_service.rpc.provenance_documents import result_framer
from flowcept_service.rpc.provenance_queries import collection_of, deletion_of, query_of
from flowcept_service.rpc.provenance_records import incoming_message, rejection_of
from flowcept_service.rpc.provenance_subscriptions import consumer_of, subscription_of
from flowcept_service.storage.contract import EventLog, RecordStore

SERVICE_NAME = DESCRIPTOR.services_by_name["Provenance"].full_name


class ProvenanceServicer:
    """The RPCs of ``flowcept.v1.Provenance``. Streams are yielded as encoded messages."""

    def __init__(
        self,
        publisher: Publisher,
        queries: Queries,
        records: RecordStore,
        log: EventLog,
        subscriptions: Subscriptions,
    ) -> None:
        """Serve a store's records and events."""
        self._publisher = publisher
        self._queries = queries
        self._records = records
        self._log = log
        self._subscriptions = subscriptions

    def Publish(self, request: PublishRequest, context: grpc.ServicerContext) -> PublishResponse:
        """Store a batch of messages."""
        outcome = self._publisher.publish(request.messages, incoming_message, current_principal().campaigns)
        return PublishResponse(
            stored_count=outcome.stored,
            duplicate_count=outcome.duplicates,
            rejections=[rejection_of(index, error) for index, error in outcome.rejections],
            last_sequence=outcome.last_sequence,
        )

    def Query(self, request: QueryRequest, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Stream the results of a query."""
        find = partial(self._records.find, collection_of(request))
        query = query_of(request, current_principal().campaigns, self._queries.filters)
        return self._queries.stream(find, query, result_framer(request.encoding), context.is_active)

    def Subscribe(self, request: SubscribeRequest, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Stream events."""
        subscription = subscription_of(request, current_principal().campaigns, self._queries.filters)
        return self._subscriptions.stream(subscription, context.is_active)

    def Acknowledge(self, request: AcknowledgeRequest, context: grpc.ServicerContext) -> AcknowledgeResponse:
        """Move a durable consumer forward."""
        consumer = consumer_of(request.consumer, current_principal().campaigns)
        return AcknowledgeResponse(sequence=self._log.acknowledge(consumer, request.sequence))

    def DeleteConsumer(self, request: DeleteConsumerRequest, context: grpc.ServicerContext) -> DeleteConsumerResponse:
        """Forget a durable consumer."""
        consumer = consumer_of(request.consumer, current_principal().campaigns)
        return DeleteConsumerResponse(sequence=delete_consumer(self._log, consumer, request.consumer))

    def DeleteRecords(self, request: DeleteRecordsRequest, context: grpc.ServicerContext) -> DeleteRecordsResponse:
        """Delete the records of a workflow or campaign."""
        counts = self._records.delete(*deletion_of(request, current_principal().campaigns))
        return DeleteRecordsResponse(
            task_count=counts.get(Collection.TASKS, 0),
            workflow_count=counts.get(Collection.WORKFLOWS, 0),
            agent_count=counts.get(Collection.AGENTS, 0),
        )


def provenance_handlers(servicer: ProvenanceServicer) -> grpc.GenericRpcHandler:
    """The handlers of the service, for ``grpc.Server.add_generic_rpc_handlers``.

    Not the generated ones, because the streams are encoded already: events and documents are sent as they are kept.
    """
    return grpc.method_handlers_generic_handler(
        SERVICE_NAME,
        {
            "Publish": grpc.unary_unary_rpc_method_handler(
                servicer.Publish, PublishRequest.FromString, PublishResponse.SerializeToString
            ),
            "Query": grpc.unary_stream_rpc_method_handler(servicer.Query, QueryRequest.FromString),
            "Subscribe": grpc.unary_stream_rpc_method_handler(servicer.Subscribe, SubscribeRequest.FromString),
            "Acknowledge": grpc.unary_unary_rpc_method_handler(
                servicer.Acknowledge, AcknowledgeRequest.FromString, AcknowledgeResponse.SerializeToString
            ),
            "DeleteConsumer": grpc.unary_unary_rpc_method_handler(
                servicer.DeleteConsumer, DeleteConsumerRequest.FromString, DeleteConsumerResponse.SerializeToString
            ),
            "DeleteRecords": grpc.unary_unary_rpc_method_handler(
                servicer.DeleteRecords, DeleteRecordsRequest.FromString, DeleteRecordsResponse.SerializeToString
            ),
        },
    )
