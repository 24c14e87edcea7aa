"""Free-form documents and times between Python and the wire.

Documents are dicts with string keys; on the wire they are BSON, or JSON in MongoDB's Relaxed Extended JSON v2 (see
``protos/flowcept/v1/document.proto``). Keys and values are data: dots, leading ``$`` and keys like ``$ref`` mean
nothing. Times are aware and in UTC; BSON keeps milliseconds. What cannot be encoded or decoded raises
InvalidArgumentError (INVALID_DOCUMENT) that names the field with the path inside it.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from bson import json_util
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.dbref import DBRef
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from google.protobuf.timestamp_pb2 import Timestamp

from flowcept.errors import InvalidArgumentError, Reason, shorten
from flowcept.v1 import document_pb2

Document = dict[str, Any]
"""A decoded document."""

MAX_DOCUMENT_BYTES = 3 << 20
"""Largest encoded document on the wire: with the rest of a message it must stay under gRPC's 4 MiB."""

MAX_DEPTH = 100
"""Levels of nesting, the document itself included."""

JSON = document_pb2.DOCUMENT_ENCODING_JSON
BSON = document_pb2.DOCUMENT_ENCODING_BSON

CODEC_OPTIONS: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    # Dates beyond the years 1 to 9999, which other languages can write, come back as DatetimeMS instead of failing.
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""How BSON is read and written everywhere in Flowcept."""

# UUIDs stay binary: other languages can mark any number of bytes as a UUID. It is also how JSON has them.
_BINARY_UUIDS = CODEC_OPTIONS.with_options(uuid_representation=UuidRepresentation.UNSPECIFIED)

_JSON_OPTIONS = json_util.JSONOptions(
    json_mode=json_util.JSONMode.RELAXED,
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What the `bson` package raises on values that it cannot encode, and on bytes or JSON that it cannot decode: it lets
# the errors of whatever it calls on the way through.
_ENCODE_ERRORS = (BSONError, OverflowError, UnicodeError, TypeError, ValueError, RecursionError)
_DECODE_ERRORS = (*_ENCODE_ERRORS, KeyError, AttributeError, decimal.DecimalException)

# The type bytes of an embedded document, array and scoped code: a document that holds fewer of them than MAX_DEPTH
# cannot be nested too deeply, and counting bytes costs next to nothing.
_CONTAINER_BYTES = (b"\x03", b"\x04", b"\x0f")
# Each level takes at least a type byte, the end of its key, its length and its end.
_LEAST_DEEP_BYTES = 7 * MAX_DEPTH
# Without this key, the driver finds no DBRef in a document.
_REFERENCE_KEY = b"$ref\x00"


def encode_document(
    value: Mapping[str, Any], field: str, encoding: document_pb2.DocumentEncoding = BSON
) -> document_pb2.Document:
    """The document as it travels.

    Args:
        value: The document.
        field: Name of the field that it is the value of, for errors.
        encoding: The wanted encoding; BSON unless it is JSON.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT: it holds what BSON cannot, or is over the limits; metadata ``field`` is
            the path of the culprit.
    """
    data = encode_bson(value, field)
    _check_size(len(data), field)
    return wire_document(data, encoding)


def wire_document(data: bytes, encoding: document_pb2.DocumentEncoding = BSON) -> document_pb2.Document:
    """Valid BSON as it travels; nothing is checked again."""
    if encoding == JSON:
        return document_pb2.Document(json=json_util.dumps(_decode(data, _BINARY_UUIDS), json_options=_JSON_OPTIONS))
    return document_pb2.Document(bson=data)


def decode_document(
    document: document_pb2.Document, field: str, options: CodecOptions[Document] = CODEC_OPTIONS
) -> Document | None:
    """The document that arrived in either encoding; None when it is absent.

    Args:
        document: What arrived.
        field: Name of the field that it is the value of, for errors.
        options: How BSON becomes Python values. The service keeps UUIDs as the binary values that they are in BSON.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT: damaged, not a document, or over the limits.
    """
    data = document.bson  # once, since each reading copies
    if data:
        _check_size(len(data), field)
        return decode_bson(data, field, options)
    encoding = document.WhichOneof("encoding")
    if encoding is None:
        return None
    if encoding == "bson":
        return decode_bson(data, field, options)
    _check_size(len(document.json), field)
    # Through BSON, so that both encodings give the same values and refuse the same ones.
    return _decode(encode_bson(_parse_json(document.json, field), field), options)


def encode_bson(value: Mapping[str, Any], field: str = "document") -> bytes:
    """The document as BSON.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT, as ``encode_document``.
    """
    try:
        data = bson.encode(value, codec_options=CODEC_OPTIONS)
    except _ENCODE_ERRORS as error:
        raise _encoding_fault(value, field, error) from None
    if _may_be_deep(data):
        _check_depth(value, field)
    return data


def decode_bson(data: bytes, field: str = "document", options: CodecOptions[Document] = CODEC_OPTIONS) -> Document:
    """The document from BSON.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT: damaged, or nested too deeply.
    """
    try:
        value = _decode(data, options)
    except _DECODE_ERRORS as error:
        raise _invalid(field, f"is not valid BSON: {shorten(str(error), 120)}") from None
    if _may_be_deep(data):
        _check_depth(value, field)
    return value


def to_json(value: Any) -> str:
    """A document, or a part of one, as Relaxed Extended JSON."""
    return str(json_util.dumps(value, json_options=_JSON_OPTIONS, ensure_ascii=False))


def encode_timestamp(value: datetime) -> Timestamp:
    """The time on the wire; a naive one counts as UTC, as in BSON."""
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    since = aware - _EPOCH
    return Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000)


def decode_timestamp(value: Timestamp, field: str) -> datetime:
    """The time, aware and in UTC; nanoseconds are cut to microseconds.

    Raises:
        InvalidArgumentError: INVALID_FIELD: outside the years 1 to 9999, or a malformed fraction.
    """
    if 0 <= value.nanos < 1_000_000_000:
        try:
            return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
        except OverflowError:
            pass  # answered below, together with the malformed fraction
    shown = f"{value.seconds} s {value.nanos} ns"
    raise InvalidArgumentError(
        f"{field} ({shown}) is no time between the years 1 and 9999; give seconds since 1970 and 0 to 999,999,999 "
        "nanoseconds",
        field=field,
        value=shown,
    )


def _decode(data: bytes, options: CodecOptions[Document] = CODEC_OPTIONS) -> Document:
    try:
        value = bson.decode(data, options)
    except BSONError:
        if options.uuid_representation == UuidRepresentation.UNSPECIFIED:
            raise
        return _decode(data, _BINARY_UUIDS)
    if _REFERENCE_KEY in data:
        plain: Document = _plain(RawBSONDocument(data, options.with_options(document_class=RawBSONDocument)))
        return plain
    return value


def _plain(value: Any) -> Any:
    """A raw document as plain dicts; the driver would make a DBRef, which is no dict, of every `{"$ref", "$id"}`."""
    if isinstance(value, RawBSONDocument):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _plain_reference(value)


def _plain_reference(value: Any) -> Any:
    """A DBRef (from JSON, say) as the dict that it stands for."""
    return dict(value.as_doc()) if isinstance(value, DBRef) else value


def _parse_json(text: str, field: str) -> Mapping[str, Any]:
    try:
        value = _plain_reference(json_util.loads(text, json_options=_JSON_OPTIONS))
    except _DECODE_ERRORS as error:
        raise _invalid(field, f"is not valid Extended JSON: {shorten(str(error), 120)}") from None
    if not isinstance(value, dict):
        raise _invalid(field, f"must be a JSON object, not {shorten(text)}")
    return value


def _check_size(size: int, field: str) -> None:
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidArgumentError(
            f"{field} has {size} bytes encoded, more than the {MAX_DOCUMENT_BYTES} of a document; keep large values as "
            "blobs",
            reason=Reason.INVALID_DOCUMENT,
            field=field,
            size=size,
            limit=MAX_DOCUMENT_BYTES,
        )


def _may_be_deep(data: bytes) -> bool:
    return len(data) > _LEAST_DEEP_BYTES and sum(data.count(mark) for mark in _CONTAINER_BYTES) >= MAX_DEPTH


def _check_depth(value: Any, field: str) -> None:
    """Refuse more than MAX_DEPTH levels; without recursion, since that is what it guards against."""
    level: list[tuple[Any, str]] = [(value, field)]
    for _ in range(MAX_DEPTH):
        level = [child for item, path in level for child in _children(item, path) if _is_container(child[0])]
        if not level:
            return
    raise _invalid(level[0][1], f"is nested more than {MAX_DEPTH} levels deep; flatten the document")


def _is_container(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _children(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in items:
        yield item, f"{path}.{key}"


def _encoding_fault(value: Any, field: str, error: Exception) -> InvalidArgumentError:
    """The error for a value that BSON refused, with the path of the smallest part that it refuses."""
    if isinstance(error, RecursionError):
        return _invalid(field, f"is nested more than {MAX_DEPTH} levels deep, or contains itself; flatten the document")
    if not isinstance(value, Mapping):
        return _invalid(field, f"must be a document (a dict with string keys), not {type(value).__name__}")
    path = field
    while _is_container(value):
        if isinstance(value, Mapping):
            for key in value:
                if (problem := _key_problem(key)) is not None:
                    return _invalid(path, problem)
        culprit = next((child for child in _children(value, path) if not _encodable(child[0])), None)
        if culprit is None:
            break
        value, path = culprit
    return _invalid(path, _value_problem(value, error))


def _encodable(value: Any) -> bool:
    try:
        bson.encode({"": value}, codec_options=CODEC_OPTIONS)
    except _ENCODE_ERRORS:
        return False
    return True


def _key_problem(key: object) -> str | None:
    if not isinstance(key, str):
        return f"has the key {shorten(key)} of type {type(key).__name__}; keys must be strings"
    if "\0" in key:
        return f"has the key {shorten(key)}; keys must not contain NUL"
    if not _is_unicode(key):
        return f"has the key {shorten(key)}; keys must be valid Unicode, without lone surrogates"
    return None


def _value_problem(value: Any, error: Exception) -> str:
    if isinstance(value, int):
        return f"is an integer of {value.bit_length()} bits; integers are limited to 64 bits, send it as a string"
    if isinstance(value, str) and not _is_unicode(value):
        return f"is {shorten(value)}; strings must be valid Unicode, without lone surrogates: send it as bytes"
    if isinstance(error, BSONError | TypeError):
        return f"has the type {type(value).__name__}, which a document cannot hold; convert it to plain values first"
    return f"cannot be encoded: {shorten(str(error), 120)}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(path: str, problem: str) -> InvalidArgumentError:
    field = path if len(path) <= 200 else f"{path[:199]}…"
    return InvalidArgumentError(f"{field} {problem}", reason=Reason.INVALID_DOCUMENT, field=field)
