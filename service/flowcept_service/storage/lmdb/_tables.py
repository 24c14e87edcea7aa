"""Every table of the store, by the environment that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowcept_service.domain.records import Collection
from flowcept_service.storage.lmdb._collection import collection_tables
from flowcept_service.storage.lmdb._environment.environment import TableKind
from flowcept_service.storage.lmdb._log.tables import EVENT_TABLES
from flowcept_service.storage.lmdb._payloads.references import REFERENCE_TABLES
from flowcept_service.storage.lmdb._payloads.role import PAYLOAD_TABLES
from flowcept_service.storage.lmdb._requests import REQUEST_TABLES


def _record_tables() -> dict[str, TableKind]:
    tables: dict[str, TableKind] = {**EVENT_TABLES, **REFERENCE_TABLES, **REQUEST_TABLES}
    for collection in Collection:
        tables.update(collection_tables(collection))
    return tables


RECORDS: Final = "records"
"""The environment of records, versions, small payloads and events; also the name of its directory."""
PAYLOADS: Final = "payloads"
"""The environment of payload bytes; likewise."""
TABLES: Final[Mapping[str, Mapping[str, TableKind]]] = {RECORDS: _record_tables(), PAYLOADS: PAYLOAD_TABLES}
