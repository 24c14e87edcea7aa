"""What merging remembers inside a record, and that no reader is shown it."""

from __future__ import annotations

import struct
from typing import Final

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

from flowcept_service.domain.records import Document

MERGE_STATE: Final = "_merge"
"""The field of a stored record that holds what merging remembers; the inserter describes it."""

_ELEMENT = b"\x03" + MERGE_STATE.encode() + b"\x00"
_FIRST = struct.calcsize("<i")
_SIZE = struct.Struct("<i")
# Raw, so that only the top level is looked at, and dates of any year pass.
_OPTIONS: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def state_first(record: Document) -> Document:
    """The record with what merging remembers as its first field: there ``visible_bson`` finds it at once."""
    if MERGE_STATE not in record:
        return record
    return {MERGE_STATE: record[MERGE_STATE], **record}


def visible_bson(record: bytes) -> bytes:
    """A stored record as readers see it: without ``MERGE_STATE``. Quick where it is the first field or absent."""
    if _ELEMENT not in record:
        return record
    if record.startswith(_ELEMENT, _FIRST):
        start = _FIRST + len(_ELEMENT)
        rest = record[start + _SIZE.unpack_from(record, start)[0] :]
        return _SIZE.pack(_FIRST + len(rest)) + rest
    fields = RawBSONDocument(record, _OPTIONS)
    return bson.encode({name: value for name, value in fields.items() if name != MERGE_STATE}, codec_options=_OPTIONS)
