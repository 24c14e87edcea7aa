from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import Binary, ObjectId

from flowcept.errors import InvalidArgumentError, Reason
from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter import InserterSettings
from tests.unit.inserter.messages import NOW, prepared

WITHOUT_EMPTY = InserterSettings(remove_empty_fields=True)


def refusal(message: dict[str, Any], **given: Any) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as raised:
        prepared(message, **given)
    return raised.value


@pytest.mark.parametrize(
    ("message", "collection"),
    [
        ({"type": "task"}, Collection.TASKS),
        ({"type": "workflow", "task_id": "t"}, Collection.WORKFLOWS),
        ({"type": "agent"}, Collection.AGENTS),
        ({"task_id": "t", "workflow_id": "w", "name": "n"}, Collection.TASKS),
        ({"activity_id": "a"}, Collection.TASKS),
        ({"group_id": "g", "used": {"i": 1}}, Collection.TASKS),
        ({"workflow_id": "w", "name": "n"}, Collection.WORKFLOWS),
        ({"workflow_id": "w"}, Collection.WORKFLOWS),
        ({"environment_id": "e"}, Collection.WORKFLOWS),
        ({"agent_id": "a", "name": "n"}, Collection.AGENTS),
        ({"agent_id": "a"}, Collection.AGENTS),
        ({"agent_id": "a", "workflow_id": "w", "name": "n"}, Collection.WORKFLOWS),
    ],
)
def test_the_kind_is_the_type_or_else_what_the_identifiers_tell(
    message: dict[str, Any], collection: Collection
) -> None:
    assert prepared(message).collection is collection


@pytest.mark.parametrize("message", [{}, {"used": {"x": 1}}, {"type": "object"}, {"type": 7}])
def test_a_message_that_tells_no_kind_is_refused(message: dict[str, Any]) -> None:
    error = refusal(message)
    assert (error.reason, error.metadata["field"]) == (Reason.INVALID_FIELD, "type")


def test_a_type_that_contradicts_the_form_is_refused() -> None:
    assert refusal({"type": "agent"}, collection=Collection.TASKS).metadata["field"] == "type"


def test_an_iteration_is_identified_by_its_group_and_number() -> None:
    record = prepared({"group_id": "loop-", "used": {"i": 3}})
    assert (record.record_id, record.fields["subtype"]) == ("loop-3", "iteration")


def test_another_subtype_in_a_group_is_no_iteration() -> None:
    assert prepared({"group_id": "loop-", "subtype": "query", "used": {"i": 3}}).record_id == "new"


def test_a_repeated_message_without_an_id_gets_the_same_one_again() -> None:
    first, again, other = (prepared({"activity_id": "a"}, message_id=name).record_id for name in ("m1", "m1", "m2"))
    assert first == again != other


def test_a_message_that_nothing_identifies_gets_a_new_id() -> None:
    record = prepared({"activity_id": "a"})
    assert (record.record_id, record.fields["task_id"]) == ("new", "new")


def test_the_workflow_is_taken_from_the_arguments() -> None:
    record = prepared({"activity_id": "a", "used": {"workflow_id": "w", "x": 1}})
    assert (record.fields["workflow_id"], record.fields["used"]) == ("w", {"x": 1})


def test_a_workflow_that_is_given_leaves_the_arguments_alone() -> None:
    record = prepared({"workflow_id": "v", "activity_id": "a", "used": {"workflow_id": "w"}})
    assert (record.fields["workflow_id"], record.fields["used"]) == ("v", {"workflow_id": "w"})


@pytest.mark.parametrize(("status", "kept"), [(None, "FINISHED"), ("RUNNING", "FINISHED"), ("ERROR", "ERROR")])
def test_the_flag_of_earlier_clients_finishes_a_task_but_takes_no_error_back(status: str | None, kept: str) -> None:
    assert prepared({"task_id": "t", "finished": True, "status": status}).fields["status"] == kept


@pytest.mark.parametrize(
    "value",
    [
        1_700_000_000.1239,
        "2023-11-14T22:13:20.123900+00:00",
        "2023-11-14T22:13:20.123900",
        datetime(2023, 11, 14, 22, 13, 20, 123_900, tzinfo=UTC),
        datetime(2023, 11, 15, 0, 13, 20, 123_900, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_task_keeps_times_as_dates_to_the_millisecond(value: object) -> None:
    fields = prepared({"task_id": "t", "started_at": value}).fields
    assert fields["started_at"] == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)


def test_a_task_is_registered_when_it_arrives_unless_it_says_so() -> None:
    assert prepared({"task_id": "t"}).fields["registered_at"] == NOW
    assert prepared({"task_id": "t", "registered_at": 0}).fields["registered_at"] == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_workflow_keeps_times_as_seconds_and_its_type() -> None:
    fields = prepared({"type": "workflow", "started_at": datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)}).fields
    assert (fields["started_at"], fields["type"]) == (1.5, "workflow")


def test_a_task_keeps_no_type() -> None:
    assert "type" not in prepared({"type": "task", "task_id": "t"}).fields


@pytest.mark.parametrize("value", [True, "yesterday", 1e300, float("nan"), [1], {"$date": 1}])
def test_what_is_no_time_is_refused(value: object) -> None:
    error = refusal({"task_id": "t", "started_at": value})
    assert (error.reason, error.metadata["field"]) == (Reason.INVALID_FIELD, "started_at")


@pytest.mark.parametrize(
    ("value", "kept"), [([1, 2], {"arg0": 1, "arg1": 2}), (7, {"arg0": 7}), ({"x": None}, {"x": None})]
)
def test_arguments_without_names_get_some(value: object, kept: dict[str, object]) -> None:
    assert prepared({"task_id": "t", "used": value}).fields["used"] == kept


def test_tags_are_kept_once_and_in_order() -> None:
    assert prepared({"task_id": "t", "tags": ["b", "a", "b"]}).fields["tags"] == ["b", "a"]
    assert prepared({"task_id": "t", "tags": "one"}).fields["tags"] == ["one"]
    assert "tags" not in prepared({"task_id": "t", "tags": []}).fields


def test_none_says_nothing_about_a_known_field_and_is_data_in_an_unknown_one() -> None:
    fields = prepared({"task_id": "t", "hostname": None, "mine": None}).fields
    assert "hostname" not in fields
    assert fields["mine"] is None


def test_empty_fields_are_removed_at_every_depth_when_asked() -> None:
    message = {"task_id": "t", "used": {"a": None, "b": {"c": "", "d": {}}, "e": [None, ""], "f": 0}, "mine": []}
    assert prepared(message, WITHOUT_EMPTY).fields["used"] == {"e": [None, ""], "f": 0}
    assert "mine" not in prepared(message, WITHOUT_EMPTY).fields
    assert prepared(message).fields["used"] == message["used"]


@pytest.mark.parametrize("data", [{"$ref": "x", "$id": 1}, {"a.b": 1, "": 2, "$set": 3}, {"v": "$used", "w": "$$ROOT"}])
def test_keys_and_values_are_data(data: dict[str, Any]) -> None:
    fields = prepared({"task_id": "t", "used": data, **data}).fields
    assert fields["used"] == data
    assert {name: fields[name] for name in data} == data


def test_everything_that_bson_holds_is_accepted() -> None:
    values = [None, True, 1, -(2**63), 1.5, "é", b"\x00", Binary(b"x" * 16, 4), ObjectId(), NOW, [[1], {"x": (2,)}]]
    assert prepared({"task_id": "t", "used": {"v": values}}).fields["used"]["v"] == values


@pytest.mark.parametrize(
    ("used", "field"),
    [
        ({"a": {"b": [0, 2**63]}}, "used.a.b.1"),
        ({"a": {"b": -(2**63) - 1}}, "used.a.b"),
        ({"a": object()}, "used.a"),
        ({"a": {1: 2}}, "used.a.1"),
        ({"a": {"x\0y": 2}}, "used.a.'x\\x00y'"),
        ({"a": "\ud800"}, "used.a"),
        ({"a": {1, 2}}, "used.a"),
    ],
)
def test_what_bson_cannot_hold_is_refused_by_its_path(used: dict[str, Any], field: str) -> None:
    error = refusal({"task_id": "t", "used": used})
    assert (error.reason, error.metadata["field"]) == (Reason.INVALID_DOCUMENT, field)
    assert field in error.message


def test_nesting_is_bounded() -> None:
    nested: dict[str, Any] = {}
    for _ in range(200):
        nested = {"x": nested}
    assert "nested deeper than 100 levels" in refusal({"task_id": "t", "used": nested}).message
    assert "nested deeper than 100 levels" in refusal({"task_id": "t", "mine": nested}).message


def test_the_number_of_keys_is_bounded() -> None:
    assert "keys" in refusal({"task_id": "t", "used": dict.fromkeys(map(str, range(100_001)))}).message


@pytest.mark.parametrize("name", ["_id", "_merge"])
def test_names_that_belong_to_the_store_are_refused(name: str) -> None:
    assert refusal({"task_id": "t", name: 1}).metadata["field"] == name


@pytest.mark.parametrize("identifier", ["", "x" * 256, "é" * 128, "a\0b", 7])
def test_an_identifier_that_no_store_can_hold_is_refused(identifier: object) -> None:
    error = refusal({"type": "task", "task_id": identifier})
    assert (error.reason, error.metadata["field"]) == (Reason.INVALID_IDENTIFIER, "task_id")


@pytest.mark.parametrize(
    ("field", "value"), [("status", "DONE"), ("hostname", 7), ("telemetry_at_start", [1]), ("tags", {"a": 1})]
)
def test_a_known_field_of_a_wrong_type_is_refused(field: str, value: object) -> None:
    error = refusal({"task_id": "t", field: value})
    assert (error.reason, error.metadata["field"]) == (Reason.INVALID_FIELD, field)


def test_the_message_is_not_changed() -> None:
    message = {"type": "task", "group_id": "g", "used": {"workflow_id": "w", "i": 1}, "tags": "a"}
    prepared(message)
    assert message == {"type": "task", "group_id": "g", "used": {"workflow_id": "w", "i": 1}, "tags": "a"}
