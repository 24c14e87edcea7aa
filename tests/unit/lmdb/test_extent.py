"""A file that was cut off is told from one that is short because its last pages are free."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lmdb
import pytest

from flowcept_service.storage.lmdb._environment.extent import CutOffError, check_extent

PAGE = 4096


def opened(directory: Path) -> lmdb.Environment:
    return lmdb.open(str(directory), map_size=1 << 28, max_dbs=1, lib_version=0, sync=False)


def pages_of(directory: Path) -> int:
    return (directory / "data.mdb").stat().st_size // PAGE


def missing_pages(directory: Path) -> int:
    with opened(directory) as environment:
        return int(environment.info()["last_pgno"]) + 1 - pages_of(directory)


def values(directory: Path) -> dict[bytes, bytes]:
    with opened(directory) as environment, environment.begin() as txn:
        return dict(txn.cursor(environment.open_db(b"t", txn, create=False)))


def delete(environment: lmdb.Environment, table: Any, numbers: Iterable[int]) -> None:
    """Delete some values, in one transaction."""
    with environment.begin(write=True) as txn:
        for number in numbers:
            txn.delete(b"%05d" % number, db=table)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A sound database whose file ends before the last page that was ever taken."""
    with opened(tmp_path / "short") as environment:
        table = environment.open_db(b"t")
        with environment.begin(write=True) as txn:
            for number in range(5000):
                txn.put(b"%05d" % number, b"v" * 3000, db=table)
        # The list of free pages has an entry that needs pages of its own, and more entries than a page holds: while
        # somebody reads, none is used up.
        delete(environment, table, range(0, 4000, 2))
        for number in (4000, 4002):
            delete(environment, table, [number])
        with environment.begin():
            for number in range(4004, 4400, 2):
                delete(environment, table, [number])
            with environment.begin(write=True) as txn:
                txn.put(b"large", b"v" * 100 * PAGE, db=table)
                txn.delete(b"large", db=table)
    return tmp_path / "short"


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """A database without a free page: branches, leaves, and values with pages of their own."""
    with opened(tmp_path / "made") as environment:
        table = environment.open_db(b"t")
        with environment.begin(write=True) as txn:
            for number in range(150):
                txn.put(b"%05d" % number, b"v" * (number * 97 % 9000), db=table)
        (tmp_path / "dense").mkdir()
        environment.copy(str(tmp_path / "dense"), compact=True)
    return tmp_path / "dense"


def cut(directory: Path, pages: int) -> Path:
    file = directory / "data.mdb"
    os.truncate(file, pages * PAGE)
    return file


def test_a_file_that_is_short_of_free_pages_is_whole(short: Path) -> None:
    held = values(short)
    assert missing_pages(short) > 50

    check_extent(short / "data.mdb")

    assert values(short) == held


def test_it_is_cut_off_where_more_is_missing(short: Path) -> None:
    with pytest.raises(CutOffError, match="it ends before pages that belong to it"):
        check_extent(cut(short, pages_of(short) // 2))


def test_a_cut_is_found_wherever_it_is(dense: Path) -> None:
    for pages in range(pages_of(dense) - 1, 2, -1):
        with pytest.raises(CutOffError):
            check_extent(cut(dense, pages))


def test_part_of_a_page_is_no_page(dense: Path) -> None:
    file = dense / "data.mdb"
    os.truncate(file, file.stat().st_size - 1)

    with pytest.raises(CutOffError):
        check_extent(file)


@pytest.mark.parametrize("content", [b"", b"\0" * 3 * PAGE, b"no database" * PAGE])
def test_what_is_no_database_is_left_to_the_library(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "data.mdb"
    file.write_bytes(content)

    check_extent(file)
    check_extent(tmp_path / "nowhere")


def test_a_list_of_free_pages_that_is_damaged_explains_nothing(short: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(short, damaged)
    with (damaged / "data.mdb").open("r+b") as file:
        for page in range(2, pages_of(damaged)):
            file.seek(page * PAGE + 16)
            file.write(b"\xff" * 64)

    with pytest.raises(CutOffError):
        check_extent(damaged / "data.mdb")
