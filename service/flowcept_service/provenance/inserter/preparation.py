"""From a message, as a client sent it, to what it says about one record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flowcept.errors import InvalidArgumentError, Reason, shorten
from flowcept_service.domain.records import Collection, Document
from flowcept_service.provenance.inserter.documents import check_key, check_value
from flowcept_service.provenance.inserter.fields import PLAIN_FIELDS, SCHEMAS
from flowcept_service.provenance.inserter.identity import (
    KIND_NAMES,
    check_kind,
    complete_task,
    ensure_id,
    infer_collection,
)
from flowcept_service.provenance.inserter.settings import InserterSettings, PrepareContext
from flowcept_service.provenance.inserter.times import as_date

_NOTHING_PLAIN: Mapping[str, type] = {}


class PreparedRecord(NamedTuple):
    """What one message says about one record: checked, completed, in the stored form.

    A named tuple, because every message makes one.
    """

    collection: Collection
    record_id: str
    fields: Document
    """The fields that the message gives. Shares nested values with the message; never changed."""


def prepare(
    message: Mapping[str, Any],
    settings: InserterSettings,
    context: PrepareContext,
    *,
    message_id: str = "",
    collection: Collection | None = None,
    sound: bool = False,
) -> PreparedRecord:
    """Check and complete a message.

    Args:
        message: The fields of the record, ``type`` among them if the kind is not to be inferred. Not changed.
        settings: What to do besides.
        context: Clock and identifiers.
        message_id: The identity of the message; makes generated identifiers the same when the message is repeated.
        collection: Where the record belongs, when the caller knows.
        sound: Whether the message is a dict whose free-form values are known to pass the checks of ``documents``.

    Raises:
        InvalidArgumentError: INVALID_FIELD (wrong type or value, unknown kind), INVALID_IDENTIFIER, INVALID_DOCUMENT
            (what BSON cannot hold); the message and ``field`` in the metadata name the field by its path.
    """
    # Most are plain dicts, and to ask for the abstract class is slow.
    if type(message) is not dict and not isinstance(message, Mapping):
        raise InvalidArgumentError(
            f"a message is a mapping from field names to values, not {shorten(message)}", reason=Reason.INVALID_DOCUMENT
        )
    if collection is None:
        collection = infer_collection(message)
    else:
        check_kind(message, collection)
    if settings.remove_empty_fields:
        # In two steps, because only accepted fields are known not to be nested without end.
        message = {field: value for field, value in message.items() if not _is_empty(value)}
        fields = without_empty(_accept_fields(message, collection, sound=sound))
    else:
        fields = _accept_fields(message, collection, sound=sound)
    if collection is Collection.TASKS:
        complete_task(fields)
        if "registered_at" not in fields:
            fields["registered_at"] = as_date("registered_at", context.clock())
    else:
        # Stored with workflows and agents, and not with tasks, as Flowcept does.
        fields["type"] = KIND_NAMES[collection]
    return PreparedRecord(collection, ensure_id(collection, fields, context, message_id), fields)


def without_empty(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without None, empty strings, empty lists and empty mappings, at every depth; elements of lists stay."""
    kept = {}
    for key, value in mapping.items():
        cleaned = without_empty(value) if isinstance(value, Mapping) else value
        if not _is_empty(cleaned):
            kept[key] = cleaned
    return kept


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, (str, list, tuple, Mapping)) and not value)


def _accept_fields(message: Mapping[str, Any], collection: Collection, *, sound: bool) -> Document:
    accepts = SCHEMAS[collection].accept
    plain = PLAIN_FIELDS[collection] if sound else _NOTHING_PLAIN
    fields: Document = {}
    for field, value in message.items():
        if plain.get(field) is type(value):
            fields[field] = value
            continue
        accept = accepts.get(field)
        if accept is None:
            if field == "type":
                continue
            # A field that we do not know is data, None included.
            if not sound:
                check_key(field)
                check_value(field, value)
            fields[field] = value
        elif value is not None:
            accepted = accept(field, value)
            if accepted is not None:
                fields[field] = accepted
    return fields
