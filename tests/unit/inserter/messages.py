"""Messages for tests of the inserter, and records as they look after the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import bson
from bson.codec_options import CodecOptions

from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.provenance.inserter import InserterSettings, PrepareContext, PreparedRecord, merge, prepare

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
CONTEXT = PrepareContext(clock=lambda: NOW, new_id=lambda: "new")


def prepared(message: Mapping[str, Any], settings: InserterSettings | None = None, **given: Any) -> PreparedRecord:
    """A message, prepared at a fixed time."""
    return prepare(message, settings or InserterSettings(), CONTEXT, **given)


def merged(messages: Iterable[Mapping[str, Any]], settings: InserterSettings | None = None) -> dict[str, Any]:
    """The record of some messages, stored and read again after each."""
    record: dict[str, Any] | None = None
    for message in messages:
        following = merge(record, prepared(message, settings), settings or InserterSettings())
        record = bson.decode(bson.encode(following), AWARE)
    assert record is not None
    return record


def visible(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as readers see it."""
    return {field: value for field, value in record.items() if field != MERGE_STATE}


def canonical(value: Any) -> Any:
    """Equal exactly for records that are the same but for the order of their fields."""
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    return bson.encode({"": value})


def telemetry(percent: float = 0.0, used: int = 0, gpu: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A snapshot."""
    snapshot: dict[str, Any] = {
        "cpu": {"percent_all": percent, "times_avg": {"user": 1.0, "system": 2.0, "idle": 3.0}},
        "memory": {"virtual": {"used": used, "percent": 1.0}, "swap": {"used": 0}},
    }
    return snapshot if gpu is None else {**snapshot, "gpu": gpu}
