"""Whether a version refers to a payload: asked of the versions themselves, so that no count can go wrong."""

from __future__ import annotations

from typing import Any, Final

from bson import ObjectId
from pymongo.client_session import ClientSession

from flowcept_service.domain.objects import Payload
from flowcept_service.domain.records import Collection, Document
from flowcept_service.query import decode
from flowcept_service.storage.documents import IN_OBJECT_FIELD, OUT_OF_LINE_FIELD, encode_document
from flowcept_service.storage.mongodb._commit.unit import FILE_TABLE, GARBAGE_TABLE, Unit
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import FILES

VERSIONS: Final = (Collection.OBJECTS, Collection.OBJECT_HISTORY)
"""The collections whose documents refer to payloads."""
_ALIKE: Final = 16
"""Files with one digest that are looked at."""


def is_referenced(database: Database, payload_id: ObjectId, session: ClientSession | None = None) -> bool:
    """Whether a committed version refers to a payload."""
    wanted: dict[str, Any] = {"$or": [{OUT_OF_LINE_FIELD: payload_id}, {IN_OBJECT_FIELD: payload_id}]}
    for collection in VERSIONS:
        found = database.documents(collection.value, wanted, session, projection={"_id": 1}, limit=1)
        if any(True for _ in found):
            return True
    return False


def find_payload(unit: Unit, size: int, sha256: str) -> Payload | None:
    """A payload out of line, of this size and digest, that a version refers to."""
    wanted = {"metadata.sha256": sha256, "length": size}
    for data in unit.database.documents(FILES, wanted, unit.session, limit=_ALIKE):
        payload_id = decode(data)["_id"]
        # An operation before this one, in the same unit, may have decided to remove it.
        if unit.get(FILE_TABLE, payload_id) is not None and is_referenced(unit.database, payload_id, unit.session):
            return Payload(payload_id, size, sha256)
    return None


def release(unit: Unit, payload_id: ObjectId) -> None:
    """A version lets go of a payload: a sweep finds out whether it was the last one."""
    put_garbage(unit, payload_id, {"since": unit.now, "removing": False})


def put_garbage(unit: Unit, payload_id: ObjectId, row: Document) -> None:
    """Set the row of a payload that is, or may be, to be removed."""
    unit.put(GARBAGE_TABLE, payload_id, encode_document(row))
