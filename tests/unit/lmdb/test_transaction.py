"""What a transaction looks up for many keys at once."""

from __future__ import annotations

from collections.abc import Iterator

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction

KEYS = st.sets(st.binary(min_size=1, max_size=2) | st.sampled_from([b"m%03d" % number for number in range(40)]))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lmdb.Environment]:
    with lmdb.open(str(tmp_path_factory.mktemp("transaction")), max_dbs=1, lib_version=0) as opened:
        yield opened


@given(KEYS, KEYS)
def test_many_keys_at_once_are_found_like_each_alone(
    environment: lmdb.Environment, held: set[bytes], asked: set[bytes]
) -> None:
    table = environment.open_db(b"table")
    raw = environment.begin(write=True)
    try:
        txn = WriteTransaction(raw)
        txn.put_many([(key, b"value of " + key) for key in sorted(held)], table)

        found = txn.get_many(asked, table)

        assert found == {key: value for key in asked if (value := txn.get(key, table)) is not None}
        assert set(found) == held & asked
    finally:
        raw.abort()


def test_nothing_is_found_in_an_empty_table(environment: lmdb.Environment) -> None:
    table = environment.open_db(b"table")
    raw = environment.begin(write=True)
    try:
        assert WriteTransaction(raw).get_many([b"a", b"b"], table) == {}
    finally:
        raw.abort()
