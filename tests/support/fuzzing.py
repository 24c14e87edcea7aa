"""Requests of every kind for any method, made from the contract's descriptors: valid ones, spoilt ones, and noise."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections.abc import Callable
from typing import Any

import bson
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp, json_util
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from flowcept.v1.blob_store_service_pb2 import UploadChunk, UploadCommit, UploadHeader, UploadRequest
from flowcept.v1.document_pb2 import Document
from flowcept.v1.provenance_service_pb2 import QueryRequest, SortKey
from tests.conformance.query.generators import QueryGenerator

Strategy = st.SearchStrategy[Any]


def _is_key(name: str) -> bool:
    return "\x00" not in name


KNOWN_NAMES = ("object", "upload", "task", "workflow", "campaign", "consumer")
"""Names that the store under test knows, so that requests come further than to NOT_FOUND."""
PAYLOADS = (b"payload", b"", b"x" * 1000)
NAMES = st.sampled_from(
    [
        "",
        "../../etc/passwd",
        "/",
        "a/b",
        "\x00",
        "a\x00b",
        "x" * 255,
        "x" * 256,
        "é" * 200,
        "\ud7ff\U0010ffff",
        "$where",
        "_id",
        "a.b",
        ".",
        "%s%n",
        "'; DROP TABLE tasks; --",
        "f" * 64,
        "0" * 64,
        "null",
    ]
)
TEXTS = st.sampled_from(KNOWN_NAMES) | NAMES | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.sampled_from([0, 1, -1, 2, 7, 100, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]) | st.integers(
    -(2**63), 2**63 - 1
)
_FIELDS = """
    task_id workflow_id campaign_id object_id type used used.n generated tags status _id data version started_at
    custom_metadata telemetry_at_start a a.0.b a..b .
"""
_OPERATORS = """
    $and $or $nor $not $eq $ne $gt $lt $in $nin $exists $type $regex $options $mod $size $all $elemMatch $bitsAllSet
    $where $expr $ref $date
"""
KEYS = st.sampled_from(["", *_FIELDS.split(), *_OPERATORS.split()])
_PATTERNS = r"^a a$ ( [ (?i)x (x+x+)+y a{2,1} \\ (?=x) \1 a{1001} [[:alpha:]] é"
PATTERNS = st.sampled_from(["", "\x00", *_PATTERNS.split()])
LEAVES = (
    st.none()
    | st.booleans()
    | NUMBERS
    | st.floats()
    | TEXTS
    | st.binary(max_size=8)
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.builds(Regex, PATTERNS.filter(lambda pattern: "\x00" not in pattern), st.sampled_from(["", "i", "imsx", "u"]))
    | PATTERNS
    | st.builds(Int64, NUMBERS)
    | st.builds(Binary, st.binary(max_size=16), st.sampled_from([0, 2, 3, 4, 6, 128]))
    | st.sampled_from(
        [
            MinKey(),
            MaxKey(),
            ObjectId(b"x" * 12),
            Timestamp(1, 2),
            Decimal128("1E+6000"),
            Decimal128("NaN"),
            Code("return 1"),
            Code("return x", {"x": 1}),
            [],
            {},
        ]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | NAMES.filter(_is_key), inner, max_size=3),
    max_leaves=8,
)


def spoilt(data: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes with something wrong in them: cut, doubled, or with other bytes in between."""

    @st.composite
    def spoil(draw: Callable[[Strategy], Any]) -> bytes:
        whole: bytes = draw(data)
        at = draw(st.integers(0, len(whole)))
        end = draw(st.integers(at, len(whole)))
        inserted = draw(st.binary(max_size=6) | st.just(whole[at:end]))
        rest: bytes = whole[end:] if draw(st.booleans()) else whole[at:]
        return whole[:at] + bytes(inserted) + rest

    return spoil()


def _encoded(value: dict[str, Any]) -> bytes:
    try:
        return bson.encode(value)
    except (bson.errors.BSONError, ValueError, TypeError, OverflowError):
        return b"\x05\x00\x00\x00\x00"  # what BSON cannot hold, no client can send


BSON = st.dictionaries(KEYS | NAMES.filter(_is_key), VALUES, max_size=4).map(_encoded)
_BROKEN_JSON = r"""{ [] 1 null {"a":1e400} {"$oid":1} {"a":{"$date":"x"}} {"a":"\ud800"}"""


def _as_json(data: bytes) -> str:
    try:
        return json_util.dumps(bson.decode(data), json_options=json_util.RELAXED_JSON_OPTIONS)
    except (bson.errors.BSONError, ValueError, TypeError, OverflowError):
        return "{}"


JSON = BSON.map(_as_json) | st.sampled_from(["", *_BROKEN_JSON.split(), '{"a": ' * 200 + "1" + "}" * 200])
FILTERS = st.integers(0, 2**32).map(lambda seed: _encoded(QueryGenerator(random.Random(seed)).filter(0)))
"""Filters of which most are valid."""
PROJECTIONS = st.integers(0, 2**32).map(lambda seed: _encoded(QueryGenerator(random.Random(seed)).projection()))

DOCUMENTS = (
    st.just(Document(bson=_encoded({"a": 1, "used": {"n": 2}})))
    | st.builds(Document, bson=BSON)
    | st.builds(Document, bson=FILTERS)
    | st.builds(Document, json=JSON)
    | st.builds(Document, bson=spoilt(BSON))
    | st.builds(Document, bson=st.binary(max_size=20))
)

_SCALARS: dict[int, Strategy] = {
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_BYTES: st.sampled_from(PAYLOADS) | st.binary(max_size=20),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_INT64: st.integers(0, 8) | NUMBERS,
    FieldDescriptor.TYPE_INT32: st.integers(0, 8) | st.sampled_from([-1, 100, 2**31 - 1, -(2**31)]),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 40) | st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 3) | st.just(2**32 - 1),
}
_DIGESTS = [hashlib.sha256(payload).hexdigest() for payload in PAYLOADS]
_BY_NAME: dict[str, Strategy] = {
    "data_sha256": st.sampled_from(_DIGESTS) | TEXTS,
    "object_size_bytes": st.sampled_from([len(payload) for payload in PAYLOADS]) | NUMBERS,
    "page_token": st.just("") | TEXTS,
    "field": st.sampled_from(["a", "used.n", "task_id", "a.b", "$a", ""]) | TEXTS,
    "group_by": st.sampled_from(["a", "used.n", "workflow_id"]) | TEXTS,
    "filter": st.builds(Document, bson=FILTERS) | DOCUMENTS,
    "projection": st.builds(Document, bson=PROJECTIONS) | DOCUMENTS,
}
"""For fields in which hardly anything is valid by chance."""


def messages(descriptor: Any) -> st.SearchStrategy[Message]:
    """Messages of the type of a descriptor, with any of their fields."""
    if descriptor.full_name == Document.DESCRIPTOR.full_name:
        return DOCUMENTS
    cls: Any = GetMessageClass(descriptor)
    fields = {field.name: _values(field) for field in descriptor.fields}

    @st.composite
    def build(draw: Callable[[Strategy], Any]) -> Message:
        chosen = draw(st.lists(st.sampled_from(sorted(fields)), unique=True, min_size=len(fields) // 2))
        # What is asked for comes first in every message of the contract, and without it nothing happens.
        first = descriptor.fields[0].name
        # Given in their order, so that of a oneof the last one stays.
        message: Message = cls(**{name: draw(fields[name]) for name in dict.fromkeys([first, *chosen])})
        return message

    return build()


def _values(field: FieldDescriptor) -> Strategy:
    one = _BY_NAME.get(field.name) if field.name != "filter" or _is_document(field) else None
    if one is None:
        one = _value(field)
    return st.lists(one, max_size=3) if field.is_repeated else one


def _is_document(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == Document.DESCRIPTOR.full_name


def _value(field: FieldDescriptor) -> Strategy:
    if field.message_type is not None:
        return messages(field.message_type)
    if field.enum_type is not None:
        known = st.sampled_from([value.number for value in field.enum_type.values])
        return known | known | known | st.sampled_from([-1, 99, 2**31 - 1])
    return _SCALARS[field.type]


def requests(descriptor: Descriptor) -> st.SearchStrategy[bytes]:
    """Requests of a type as they travel: of ten, one is noise, and one is spoilt."""
    valid = messages(descriptor).map(_serialized)
    if descriptor.full_name == QueryRequest.DESCRIPTOR.full_name:
        valid |= _queries().map(_serialized)
    return st.integers(0, 9).flatmap(lambda n: st.binary(max_size=40) if n == 9 else spoilt(valid) if n == 8 else valid)


def streams(descriptor: Descriptor) -> st.SearchStrategy[list[bytes]]:
    """The messages of a stream from a client; of one that is an upload, most are in the right order."""
    anything = st.lists(requests(descriptor), min_size=1, max_size=4)
    return anything if descriptor.full_name != UploadRequest.DESCRIPTOR.full_name else anything | _uploads()


@st.composite
def _uploads(draw: Callable[[Strategy], Any]) -> list[bytes]:
    """An upload that may well succeed."""
    payload = draw(st.sampled_from(PAYLOADS))
    header = draw(messages(UploadHeader.DESCRIPTOR))
    if draw(st.booleans()):
        header = UploadHeader(upload_id=draw(TEXTS), object_id=draw(TEXTS), fields=header.fields)
    commit = UploadCommit(object_size_bytes=len(payload), data_sha256=hashlib.sha256(payload).hexdigest())
    parts: list[Message] = [
        UploadRequest(header=header),
        UploadRequest(chunk=UploadChunk(data=payload)),
        UploadRequest(commit=commit),
    ]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, 3)), draw(messages(UploadRequest.DESCRIPTOR)))
    return [part.SerializeToString() for part in parts]


@st.composite
def _queries(draw: Callable[[Strategy], Any]) -> Message:
    """A query of which every part may well be valid."""
    generator = QueryGenerator(random.Random(draw(st.integers(0, 2**32))))
    request = QueryRequest(
        collection=draw(st.integers(1, 5)),
        filter=Document(bson=_encoded(generator.filter())),
        skip=draw(st.integers(0, 3)),
        limit=draw(st.integers(0, 3)),
        encoding=draw(st.integers(0, 2)),
    )
    if draw(st.booleans()):
        request.projection.bson = _encoded(generator.projection())
        request.sort.extend(SortKey(field=path, descending=order < 0) for path, order in generator.sort())
    else:
        for operator, field in generator.aggregations():
            request.aggregations.add(operator=f"AGGREGATION_OPERATOR_{operator.upper()}", field=field)
        request.group_by.extend(generator.group_by())
    return request


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
