"""The contract and the code agree."""

from __future__ import annotations

from flowcept.errors import Reason
from flowcept.v1 import event_pb2, provenance_service_pb2
from flowcept.v1.errors_pb2 import ErrorReason
from flowcept_service.domain.events import EventAction, EventKind
from flowcept_service.domain.records import Collection


def test_every_reason_is_documented_in_the_contract() -> None:
    assert {reason.value for reason in Reason} == set(ErrorReason.keys())


def test_event_kinds_have_the_numbers_of_the_wire() -> None:
    wire = {name.removeprefix("EVENT_KIND_"): number for name, number in event_pb2.EventKind.items() if number}

    assert {kind.name: kind.value for kind in EventKind} == wire


def test_event_actions_have_the_numbers_of_the_wire() -> None:
    wire = {name.removeprefix("EVENT_ACTION_"): number for name, number in event_pb2.EventAction.items() if number}

    assert {action.name: action.value for action in EventAction} == wire


def test_every_collection_can_be_named_on_the_wire() -> None:
    wire = {name.removeprefix("COLLECTION_").lower() for name, _ in provenance_service_pb2.Collection.items()}

    assert {collection.value for collection in Collection} == wire - {"unspecified"}
