"""Queries."""

from __future__ import annotations

from collections.abc import Iterator

from flowcept.transport._connection import Connection
from flowcept.v1 import document_pb2
from flowcept.v1 import provenance_service_pb2 as pb


def query(connection: Connection, request: pb.QueryRequest) -> Iterator[document_pb2.Document]:
    """The results of a query as they arrive, not decoded, in bounded memory.

    The iterator is a generator: close it to give the rest up.

    Raises:
        FlowceptError: As ``Provenance.Query`` documents; UnavailableError also in the middle of the results.
    """
    with connection.stream(lambda stubs: stubs.provenance.Query, request) as responses:
        for response in responses:
            yield from response.documents
