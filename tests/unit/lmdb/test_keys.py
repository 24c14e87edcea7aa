"""Keys keep what they stand for apart, and in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.storage.lmdb._environment.keys import text_key, version_key
from flowcept_service.storage.lmdb._log.tables import join_keys, split_keys
from flowcept_service.storage.lmdb._payloads.chunks import CHUNK_BYTES, coalesce

MAX_KEY_BYTES = 511
texts = st.text(max_size=300) | st.builds(lambda end: "x" * 300 + end, st.text(max_size=3))
identifiers = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=60)


@given(texts, texts)
def test_texts_have_one_key_each(one: str, other: str) -> None:
    assert (text_key(one) == text_key(other)) == (one == other or {one, other} == {"", "\0"})


@given(texts)
def test_keys_are_never_empty_and_never_too_long(text: str) -> None:
    assert 0 < len(version_key(text, 2**63)) <= MAX_KEY_BYTES
    assert 0 < len(text_key(text)) < 256


@given(identifiers, st.integers(0, 2**40), identifiers, st.integers(0, 2**40))
def test_versions_of_one_object_stand_together_in_order(one: str, first: int, other: str, second: int) -> None:
    if one == other:
        assert (version_key(one, first) < version_key(other, second)) == (first < second)
    else:
        assert (version_key(one, first) < version_key(other, second)) == (version_key(one, 0) < version_key(other, 0))


@given(st.lists(st.binary(min_size=1, max_size=255)))
def test_joined_keys_can_be_split(keys: list[bytes]) -> None:
    assert list(split_keys(join_keys(keys))) == keys


@given(st.lists(st.integers(0, 3 * CHUNK_BYTES // 2), max_size=8))
def test_coalesced_pieces_are_the_same_bytes_in_values_of_a_good_size(sizes: list[int]) -> None:
    pieces = [bytes([n]) * size for n, size in enumerate(sizes)]

    values = list(coalesce(pieces))

    assert b"".join(values) == b"".join(pieces)
    assert all(len(value) >= CHUNK_BYTES for value in values[:-1])
    assert all(0 < len(value) < CHUNK_BYTES + max(sizes) for value in values)
