"""Documents and payloads as bytes: what is done to them without decoding is what decoding would show."""

from __future__ import annotations

from typing import Any

import bson
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.storage.mongodb._connection.raw import (
    chunk_document,
    documents_in,
    records_in,
    split_id,
    with_binary,
    with_id,
    without_id,
)
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES
from flowcept_service.storage.mongodb._payloads.chunks import bounded, cut

KEYS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8).filter(
    lambda key: key != "_id"
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)
IDS = st.one_of(st.binary(min_size=12, max_size=12).map(ObjectId), st.text(max_size=9), st.integers(0, 99), st.none())


@given(DOCUMENTS, IDS)
def test_an_id_goes_in_front_and_comes_off_again(document: dict[str, Any], identity: Any) -> None:
    data = bson.encode(document)

    stored = bytes(with_id(identity, data).raw)

    assert bson.decode(stored) == {"_id": identity, **document}
    assert next(iter(bson.decode(stored))) == "_id"
    assert split_id(stored) == (identity, data)
    assert without_id(stored) == data


@given(DOCUMENTS, st.binary(max_size=50))
def test_bytes_are_added_behind(document: dict[str, Any], value: bytes) -> None:
    document.pop("data", None)

    assert bson.decode(with_binary(bson.encode(document), "data", value)) == {**document, "data": value}


@given(st.lists(st.tuples(IDS, DOCUMENTS), max_size=5))
def test_a_batch_is_taken_apart_without_ids(stored: list[tuple[Any, dict[str, Any]]]) -> None:
    batch = b"".join(bytes(with_id(identity, bson.encode(document)).raw) for identity, document in stored)

    assert list(records_in(batch)) == [bson.encode(document) for _, document in stored]


@given(st.lists(DOCUMENTS, max_size=5))
def test_a_batch_is_taken_apart(documents: list[dict[str, Any]]) -> None:
    encoded = [bson.encode(document) for document in documents]

    assert list(documents_in(b"".join(encoded))) == encoded


@given(st.lists(st.binary(max_size=30), max_size=4), st.integers(0, 2**31 - 1))
def test_a_chunk_is_what_gridfs_would_store(data: list[bytes], number: int) -> None:
    payload_id = ObjectId()

    stored = bson.decode(chunk_document(payload_id, number, [memoryview(part) for part in data]).raw)

    assert list(stored) == ["_id", "files_id", "n", "data"]
    assert (stored["files_id"], stored["n"], stored["data"]) == (payload_id, number, b"".join(data))
    assert type(stored["_id"]) is ObjectId


@given(st.lists(st.integers(0, 2 * CHUNK_BYTES + 5), max_size=5))
def test_cutting_keeps_the_bytes_and_fills_every_chunk_but_the_last(sizes: list[int]) -> None:
    data = [bytes([n % 251]) * size for n, size in enumerate(sizes)]

    pieces = [b"".join(piece) for piece in cut([memoryview(item) if n % 2 else item for n, item in enumerate(data)])]

    assert b"".join(pieces) == b"".join(data)
    assert all(len(piece) == CHUNK_BYTES for piece in pieces[:-1])
    assert all(0 < len(piece) <= CHUNK_BYTES for piece in pieces)


@given(st.lists(st.binary(max_size=30), max_size=8), st.integers(1, 40))
def test_pieces_keep_the_bytes_and_their_bound(parts: list[bytes], piece: int) -> None:
    pieces = list(bounded(parts, piece))

    assert b"".join(pieces) == b"".join(parts)
    assert all(0 < len(one) <= piece for one in pieces)
