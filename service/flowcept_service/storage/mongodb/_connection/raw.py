"""Documents as bytes: BSON is length-prefixed, so fields at both ends change without decoding the rest."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

_SIZE: Final = struct.Struct("<i")
_HEADER: Final = 4
_OBJECT_ID: Final = b"\x07_id\x00"
_OBJECT_ID_END: Final = _HEADER + len(_OBJECT_ID) + 12
_ID_BYTES: Final = _OBJECT_ID_END - _HEADER
_CHUNK_BYTES: Final = (
    _OBJECT_ID_END + len(b"\x07files_id\x00") + 12 + len(b"\x10n\x00") + 4 + len(b"\x05data\x00") + 5 + 1
)
"""What a chunk takes besides its bytes."""
_STRING_ID: Final = b"\x02_id\x00"
RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(
    document_class=RawBSONDocument, tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def documents_in(batch: bytes) -> Iterator[bytes]:
    """The documents of a raw batch, one after the other."""
    start = 0
    end = len(batch)
    unpack = _SIZE.unpack_from
    while start < end:
        size = unpack(batch, start)[0]
        yield batch[start : start + size]
        start += size


def records_in(batch: bytes) -> Iterator[bytes]:
    """The documents of a raw batch without their ``_id``, one after the other."""
    start = 0
    end = len(batch)
    unpack, pack = _SIZE.unpack_from, _SIZE.pack
    while start < end:
        size = unpack(batch, start)[0]
        if batch.startswith(_OBJECT_ID, start + _HEADER):
            # As `without_id`, with one copy less: most of the time of a large result is spent here.
            yield pack(size - _ID_BYTES) + batch[start + _OBJECT_ID_END : start + size]
        else:
            yield without_id(batch[start : start + size])
        start += size


def chunk_document(payload_id: ObjectId, number: int, data: Sequence[bytes | memoryview]) -> RawBSONDocument:
    """A chunk as GridFS stores it, from its bytes in parts; they are copied once."""
    size = sum(map(len, data))
    parts = [
        _SIZE.pack(_CHUNK_BYTES + size),
        _OBJECT_ID,
        ObjectId().binary,
        b"\x07files_id\x00",
        payload_id.binary,
        b"\x10n\x00",
        _SIZE.pack(number),
        b"\x05data\x00",
        _SIZE.pack(size),
        b"\x00",
        *data,
        b"\x00",
    ]
    return RawBSONDocument(b"".join(parts), RAW)


def split_id(document: bytes) -> tuple[Any, bytes]:
    """The ``_id`` of a stored document, and the document without it. MongoDB stores ``_id`` first."""
    if document.startswith(_OBJECT_ID, _HEADER):
        identity: Any = ObjectId(document[_OBJECT_ID_END - 12 : _OBJECT_ID_END])
        return identity, _resized(document[_OBJECT_ID_END:])
    if document.startswith(_STRING_ID, _HEADER):
        start = _HEADER + len(_STRING_ID) + 4
        end = start + _SIZE.unpack_from(document, start - 4)[0]
        return document[start : end - 1].decode(), _resized(document[end:])
    fields = RawBSONDocument(document, RAW)
    rest = {name: value for name, value in fields.items() if name != "_id"}
    return fields.get("_id"), bson.encode(rest, codec_options=RAW)


def without_id(document: bytes) -> bytes:
    """A stored document without its ``_id``."""
    if document.startswith(_OBJECT_ID, _HEADER):
        return _resized(document[_OBJECT_ID_END:])
    return split_id(document)[1]


def with_id(identity: Any, document: bytes) -> RawBSONDocument:
    """A document with an ``_id`` in front."""
    is_object_id = type(identity) is ObjectId
    front = _OBJECT_ID + identity.binary if is_object_id else bson.encode({"_id": identity})[_HEADER:-1]
    return RawBSONDocument(_SIZE.pack(len(document) + len(front)) + front + document[_HEADER:], RAW)


def with_binary(document: bytes, name: str, value: bytes) -> bytes:
    """A document with a binary field behind all others."""
    element = b"".join((b"\x05", name.encode(), b"\x00", _SIZE.pack(len(value)), b"\x00"))
    size = len(document) + len(element) + len(value)
    return b"".join((_SIZE.pack(size), document[_HEADER:-1], element, value, b"\x00"))


def _resized(rest: bytes) -> bytes:
    return _SIZE.pack(_HEADER + len(rest)) + rest
