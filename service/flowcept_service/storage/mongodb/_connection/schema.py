"""Which collections there are, how they are indexed, and which version of the layout this is.

The collections of Flowcept 0.10 are laid out as it lays them out. Ours have names that begin with ``service.``, but for
``events``; neither can collide with a collection of Flowcept's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database as MongoDatabase
from pymongo.errors import CollectionInvalid, OperationFailure

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.records import ID_FIELDS, INDEXED_FIELDS, Collection
from flowcept_service.storage.documents import IN_OBJECT_FIELD, OUT_OF_LINE_FIELD
from flowcept_service.storage.mongodb._connection.errors import DUPLICATE_KEY

SCHEMA_VERSION: Final = 1
"""Rises with every change to the layout that an older version could not read."""
CHUNK_BYTES: Final = 255 * 1024
"""Bytes in a chunk document: GridFS's default, which lets a chunk fit into a page of the storage engine."""

FILES: Final = "fs.files"
CHUNKS: Final = "fs.chunks"
EVENTS: Final = "events"
LOG: Final = "service.log"
MESSAGES: Final = "service.messages"
UPLOADS: Final = "service.uploads"
REQUESTS: Final = "service.requests"
CONSUMERS: Final = "service.consumers"
GARBAGE: Final = "service.garbage"
READERS: Final = "service.readers"
WRITERS: Final = "service.writers"
SCHEMA: Final = "service.schema"
REPLICA: Final = "service.replica"
LOG_ID: Final = "log"
IDENTITY_ID: Final = "identity"
STATE_ID: Final = "state"
_NAMESPACE_EXISTS: Final = 48


@dataclass(frozen=True, slots=True)
class _Index:
    fields: tuple[str, ...]
    unique: bool = False


def _of_collection(collection: Collection) -> tuple[_Index, ...]:
    identifier = ID_FIELDS.get(collection)
    return tuple(_Index((name,), unique=name == identifier) for name in INDEXED_FIELDS[collection])


# Whether a version refers to a payload is asked before the payload is removed.
_PAYLOAD_INDEXES: Final = (_Index((OUT_OF_LINE_FIELD,)), _Index((IN_OBJECT_FIELD,)))
_INDEXES: Final[Mapping[str, tuple[_Index, ...]]] = {
    **{collection.value: _of_collection(collection) for collection in Collection},
    Collection.OBJECT_HISTORY.value: (
        *_of_collection(Collection.OBJECT_HISTORY),
        _Index(("object_id", "version"), unique=True),
        *_PAYLOAD_INDEXES,
    ),
    Collection.OBJECTS.value: (*_of_collection(Collection.OBJECTS), *_PAYLOAD_INDEXES),
    # The first of each are those that GridFS makes.
    FILES: (_Index(("filename", "uploadDate")), _Index(("metadata.sha256",))),
    CHUNKS: (_Index(("files_id", "n"), unique=True),),
    # Covers what is asked before blocks are read or trimmed.
    EVENTS: (_Index(("_id", "size", "committed")),),
    LOG: (),
    MESSAGES: (),
    UPLOADS: (_Index(("payload_id",), unique=True), _Index(("updated_at",))),
    # By sequence, copies find the requests of events.
    REQUESTS: (_Index(("at",)), _Index(("sequence",))),
    CONSUMERS: (),
    GARBAGE: (),
    READERS: (),
    WRITERS: (),
    SCHEMA: (),
    REPLICA: (),
}


def prepare(database: MongoDatabase[dict[str, Any]], where: str) -> None:
    """Make what is missing: collections, indexes, stamp, counter. Any number of replicas may do so at once.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE, when another version's layout is there, or documents that break it.
    """
    _check_stamp(database, where)
    existing = set(database.list_collection_names())
    for name, indexes in _INDEXES.items():
        # Made beforehand: a transaction that makes a collection conflicts with others that do.
        if name not in existing:
            _make_collection(database, name)
        _make_indexes(database, name, indexes, where)
    database[LOG].update_one(
        {"_id": LOG_ID}, {"$setOnInsert": {"oldest": 1, "last": 0, "size_bytes": 0, "commits": 0}}, upsert=True
    )


def _check_stamp(database: MongoDatabase[dict[str, Any]], where: str) -> None:
    database[SCHEMA].update_one({"_id": "schema"}, {"$setOnInsert": {"version": SCHEMA_VERSION}}, upsert=True)
    stamp = database[SCHEMA].find_one({"_id": "schema"}) or {}
    found = stamp.get("version")
    if found != SCHEMA_VERSION:
        raise PreconditionError(
            f"database {database.name} at {where} was written with storage schema {found}, and this version needs "
            f"{SCHEMA_VERSION}; use the version that wrote it, or another database",
            reason=Reason.STORAGE_INCOMPATIBLE,
            found_version=found,
            needed_version=SCHEMA_VERSION,
        )


def _make_collection(database: MongoDatabase[dict[str, Any]], name: str) -> None:
    try:
        database.create_collection(name)
    except CollectionInvalid:
        return  # another replica was first
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


def _make_indexes(database: MongoDatabase[dict[str, Any]], name: str, indexes: tuple[_Index, ...], where: str) -> None:
    # An existing Flowcept may have made an index with other options; what counts is that there is one.
    present = {tuple(index["key"]) for index in database[name].list_indexes()}
    wanted = [index for index in indexes if index.fields not in present]
    if not wanted:
        return
    models = [IndexModel([(field, ASCENDING) for field in index.fields], unique=index.unique) for index in wanted]
    try:
        database[name].create_indexes(models)
    except OperationFailure as error:
        if error.code != DUPLICATE_KEY:
            raise
        raise PreconditionError(
            f"collection {name} of database {database.name} at {where} holds several documents with one identifier "
            f"({(error.details or {}).get('keyValue')}); remove all but one of each, or use another database",
            reason=Reason.STORAGE_INCOMPATIBLE,
            collection=name,
        ) from None
