"""Publishing to the service: what is sent, and what becomes of refusals. The service itself is tested elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
import pytest

from flowcept.capture.publisher import Message, Rejection
from flowcept.capture.service import ServicePublisher, service_publisher
from flowcept.config import ClientSettings
from flowcept.errors import UnavailableError
from flowcept.transport import Timing
from flowcept.v1 import provenance_service_pb2 as pb


class ScriptedConnection:
    """Stands for the connection to the service."""

    def __init__(self) -> None:
        self.settings = ClientSettings()
        self.timing = Timing()
        self.requests: list[pb.PublishRequest] = []
        self.timeouts: list[float] = []
        self.response = pb.PublishResponse()
        self.closed = False

    def call(self, method: Callable[[Any], Any], request: pb.PublishRequest, *, timeout: float) -> pb.PublishResponse:
        self.requests.append(request)
        self.timeouts.append(timeout)
        return self.response

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def connection() -> ScriptedConnection:
    return ScriptedConnection()


@pytest.fixture
def publisher(connection: ScriptedConnection) -> ServicePublisher:
    publisher = ServicePublisher(ClientSettings())
    publisher._connection = connection  # type: ignore[assignment]  # stands in
    return publisher


def test_messages_travel_as_documents_beside_their_ids(
    publisher: ServicePublisher, connection: ScriptedConnection
) -> None:
    rejections = publisher.publish([{"message_id": "m", "type": "task", "used": {"lr": 0.1}}], timeout=7.0)

    assert rejections == []
    [message] = connection.requests[0].messages
    assert message.message_id == "m"
    assert bson.decode(message.document.bson) == {"type": "task", "used": {"lr": 0.1}}
    assert connection.timeouts == [7.0]


def test_refusals_point_to_the_message_in_the_batch(
    publisher: ServicePublisher, connection: ScriptedConnection
) -> None:
    connection.response = pb.PublishResponse(rejections=[pb.Rejection(index=1, message="bad")])

    # The first one cannot even be encoded, so the service's index 1 is the third one here.
    batch: list[Message] = [{"message_id": "a", "bad": object()}, {"message_id": "b"}, {"message_id": "c"}]
    rejections = publisher.publish(batch, timeout=1.0)

    assert [rejection.index for rejection in rejections] == [0, 2]
    assert rejections[1] == Rejection(2, "bad")
    assert [message.message_id for message in connection.requests[0].messages] == ["b", "c"]


def test_closing_closes_the_connection(publisher: ServicePublisher, connection: ScriptedConnection) -> None:
    publisher.close()

    assert connection.closed


def test_a_service_that_is_not_there_is_unavailable() -> None:
    publisher = service_publisher(ClientSettings.load(environ={}, target="127.0.0.1:1", connect_timeout=0.2))()

    with pytest.raises(UnavailableError):
        publisher.publish([{"message_id": "a", "type": "task"}], timeout=2.0)

    publisher.close()
