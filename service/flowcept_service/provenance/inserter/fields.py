"""The fields that records have: what is accepted for each, and how two values of it merge.

A field that is not listed here is kept as it is, and merges like any other plain value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from flowcept.errors import InvalidArgumentError, Reason, shorten
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter.documents import check_mapping, check_value
from flowcept_service.provenance.inserter.times import as_date, as_seconds

STATUSES: Mapping[str, int] = {"UNKNOWN": 0, "SUBMITTED": 1, "WAITING": 2, "RUNNING": 3, "FINISHED": 4, "ERROR": 5}
"""Every status with its place in a life; what comes later in it wins when nothing else decides."""

FINAL_STATUSES = frozenset({"FINISHED", "ERROR"})


class Merging(Enum):
    """How two values of one field become one."""

    EARLIEST = auto()
    LATEST = auto()
    UNION = auto()
    BY_KEY = auto()
    STATUS = auto()
    VALUE = auto()


Accept = Callable[[str, Any], Any]
"""From a field's name and what was given for it to what is stored. Raises InvalidArgumentError that names the field."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of the records of one collection."""

    accept: Mapping[str, Accept]
    merging: Mapping[str, Merging]
    """Fields that are not in it merge as ``Merging.VALUE``."""
    evidence: tuple[str, ...]
    """The times by which a message says how late it is."""


def accept_text(field: str, value: object) -> str:
    """A string. Raises InvalidArgumentError (INVALID_FIELD)."""
    if not isinstance(value, str):
        raise _wrong_type(field, value, "a string")
    if not value.isascii():
        check_value(field, value)
    return value


def accept_anything(field: str, value: object) -> object:
    """Whatever a document can hold. Raises InvalidArgumentError (INVALID_DOCUMENT)."""
    check_value(field, value)
    return value


def accept_mapping(field: str, value: object) -> Mapping[str, object]:
    """A mapping of free-form values. Raises InvalidArgumentError (INVALID_FIELD, INVALID_DOCUMENT)."""
    # Most are plain dicts, and to ask for the abstract class is slow.
    if type(value) is not dict and not isinstance(value, Mapping):
        raise _wrong_type(field, value, "a mapping from names to values")
    check_mapping(field, value)
    return value


def accept_arguments(field: str, value: object) -> Mapping[str, object]:
    """Like ``accept_mapping``; what is no mapping gets the names ``arg0``, ``arg1``, as upstream clients expect."""
    if isinstance(value, (list, tuple)):
        value = {f"arg{index}": element for index, element in enumerate(value)}
    elif type(value) is not dict and not isinstance(value, Mapping):
        value = {"arg0": value}
    return accept_mapping(field, value)


def accept_labels(field: str, value: object) -> list[str] | None:
    """A list of strings, each once; a single string is a list of one. None for an empty list: it says nothing."""
    value = as_list(value)
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(field, value, "a list of strings")
    for index, label in enumerate(value):
        if type(label) is not str or not label.isascii():
            accept_text(f"{field}.{index}", label)
    return list(dict.fromkeys(value)) or None


def as_list(value: Any) -> Any:
    """A single string as a list of one, everything else as it is; other programs store both."""
    return [value] if isinstance(value, str) else value


def accept_status(field: str, value: object) -> str:
    """A status. Raises InvalidArgumentError (INVALID_FIELD)."""
    if isinstance(value, str) and value in STATUSES:
        return str(value)
    raise InvalidArgumentError(
        f"{field} is {shorten(value)}, which is no status; give one of {', '.join(STATUSES)}",
        reason=Reason.INVALID_FIELD,
        field=field,
    )


def refuse_reserved(field: str, value: object) -> object:
    """Refuse a field that belongs to the store."""
    raise InvalidArgumentError(
        f"{field} is {shorten(value)}: that name belongs to the database; leave it out, or rename it",
        reason=Reason.INVALID_FIELD,
        field=field,
    )


def _wrong_type(field: str, value: object, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{field} is {shorten(value)}, of type {type(value).__name__}; it must be {wanted}",
        reason=Reason.INVALID_FIELD,
        field=field,
    )


def _fields(accept: Accept, *names: str) -> dict[str, Accept]:
    return dict.fromkeys(names, accept)


def _merging(**fields: Merging) -> Mapping[str, Merging]:
    return fields


_SOUND_TYPES: Mapping[Accept, type] = {accept_text: str, accept_mapping: dict, accept_arguments: dict}
"""What accepts a sound value of a type as it is."""


def _plain(accept: Mapping[str, Accept]) -> Mapping[str, type]:
    return {field: _SOUND_TYPES[by] for field, by in accept.items() if by in _SOUND_TYPES}


_RESERVED = _fields(refuse_reserved, "_id", MERGE_STATE)
_TELEMETRY = ("telemetry_at_start", "telemetry_at_end")

SCHEMAS: Mapping[Collection, Schema] = {
    Collection.TASKS: Schema(
        accept=_RESERVED
        | _fields(check_identifier, "task_id", "workflow_id", "campaign_id", "parent_task_id", "activity_id")
        | _fields(check_identifier, "group_id", "agent_id", "source_agent_id")
        | _fields(accept_text, "subtype", "user", "workflow_name", "adapter_id", "environment_id", "mq_host")
        | _fields(accept_text, "hostname", "node_name", "login_name", "public_ip", "private_ip", "address")
        | _fields(as_date, "submitted_at", "started_at", "ended_at", "registered_at", "utc_timestamp")
        | _fields(accept_arguments, "used", "generated", "custom_metadata")
        | _fields(accept_mapping, *_TELEMETRY)
        | _fields(accept_anything, "data", "stdout", "stderr")
        | _fields(accept_labels, "tags", "dependencies", "dependents")
        | _fields(accept_status, "status"),
        merging=_merging(
            submitted_at=Merging.EARLIEST,
            started_at=Merging.EARLIEST,
            registered_at=Merging.EARLIEST,
            ended_at=Merging.LATEST,
            utc_timestamp=Merging.LATEST,
            used=Merging.BY_KEY,
            generated=Merging.BY_KEY,
            custom_metadata=Merging.BY_KEY,
            telemetry_at_start=Merging.BY_KEY,
            telemetry_at_end=Merging.BY_KEY,
            tags=Merging.UNION,
            dependencies=Merging.UNION,
            dependents=Merging.UNION,
            status=Merging.STATUS,
        ),
        # Not registered_at: the service gives it, so it says when a message arrived and not how late it is.
        evidence=("utc_timestamp", "submitted_at", "started_at", "ended_at"),
    ),
    Collection.WORKFLOWS: Schema(
        accept=_RESERVED
        | _fields(check_identifier, "workflow_id", "parent_workflow_id", "campaign_id", "agent_id", "name")
        | _fields(accept_text, "workflow_description", "subtype", "user", "adapter_id", "environment_id")
        | _fields(accept_text, "sys_name", "flowcept_version")
        | _fields(as_seconds, "started_at", "ended_at", "utc_timestamp")
        | _fields(accept_arguments, "used", "generated", "custom_metadata")
        | _fields(accept_mapping, "machine_info", "conf", "flowcept_settings", "code_repository")
        | _fields(accept_anything, "extra_metadata")
        | _fields(accept_labels, "interceptor_ids", "tags")
        | _fields(accept_status, "status"),
        merging=_merging(
            started_at=Merging.EARLIEST,
            ended_at=Merging.LATEST,
            utc_timestamp=Merging.LATEST,
            used=Merging.BY_KEY,
            generated=Merging.BY_KEY,
            custom_metadata=Merging.BY_KEY,
            machine_info=Merging.BY_KEY,
            interceptor_ids=Merging.UNION,
            tags=Merging.UNION,
            status=Merging.STATUS,
        ),
        evidence=("utc_timestamp", "started_at", "ended_at"),
    ),
    Collection.AGENTS: Schema(
        accept=_RESERVED
        | _fields(check_identifier, "agent_id", "workflow_id", "campaign_id")
        | _fields(accept_text, "name", "user", "subtype")
        | _fields(as_seconds, "registered_at", "utc_timestamp", "started_at", "ended_at")
        | _fields(accept_arguments, "custom_metadata")
        | _fields(accept_mapping, "extra_metadata")
        | _fields(accept_labels, "tags", "interceptor_ids")
        | _fields(accept_status, "status"),
        merging=_merging(
            registered_at=Merging.EARLIEST,
            started_at=Merging.EARLIEST,
            ended_at=Merging.LATEST,
            utc_timestamp=Merging.LATEST,
            custom_metadata=Merging.BY_KEY,
            extra_metadata=Merging.BY_KEY,
            tags=Merging.UNION,
            interceptor_ids=Merging.UNION,
            status=Merging.STATUS,
        ),
        # Agents bring registered_at themselves; it is the time of the message.
        evidence=("utc_timestamp", "registered_at", "started_at", "ended_at"),
    ),
}

PLAIN_FIELDS: Mapping[Collection, Mapping[str, type]] = {
    collection: _plain(schema.accept) for collection, schema in SCHEMAS.items()
}
"""The fields of each collection that only need to be of some type, for messages that are known to be sound."""
