"""Whether a file still has all the pages that its state refers to.

LMDB reads through a map of the file: a page that lies behind the file's end is no error but a signal that ends the
process. The newest of the two descriptions at the beginning of the file names the last page that was ever taken. A file
that ends before it may be whole all the same, for pages which are taken and given up in one transaction are never
written. Those are on the list of free pages, which is a tree of its own inside the file, so that it can be read here
page by page. That is done only where a file is too short, which is rare.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from flowcept.errors import PreconditionError, Reason, UnavailableError

_HEADER: Final = Struct("=QHHHH")
"""Of a page: number, padding, flags, where its node pointers end, where its nodes begin."""
_POINTER: Final = Struct("=H")
_NODE: Final = Struct("=HHHH")
"""Low and high half of the size of its data, flags, size of its key; of a branch, the first three are a page number."""
_NUMBER: Final = Struct("=Q")
_BRANCH: Final = 0x01
_HAS_OWN_PAGES: Final = 0x01
_NO_PAGE: Final = 2**64 - 1

_META: Final = Struct("=IIQQ")
"""Behind the header of the first two pages: a magic number, version, address, size of the map."""
_TREE: Final = Struct("=IHHQQQQQ")
"""Twice behind that, first for the free pages: size of all pages, flags, depth, three counts, entries, root."""
_LAST: Final = Struct("=QQ")
"""Behind the trees: the last page that was taken, and the transaction."""
_METAS: Final = 2
_META_BYTES: Final = _HEADER.size + _META.size + 2 * _TREE.size + _LAST.size
_MAGIC: Final = 0xBEEFC0DE

_ATTEMPTS: Final = 100
"""Beside a server that commits, pages may be overwritten while they are read; then the newest state is read anew."""


class CutOffError(PreconditionError):
    """A file ends before pages that its state refers to."""


class _State(NamedTuple):
    """The newest state of a file."""

    page_size: int
    free_root: int
    last_page: int
    transaction: int


class _UnreadableError(Exception):
    """A page is missing, or is not what it must be."""


def check_extent(path: Path) -> None:
    """Refuse a file that was cut off. One that is not there, or is no database, is left to LMDB.

    Raises:
        CutOffError: STORAGE_INCOMPATIBLE.
        UnavailableError: STORAGE_UNAVAILABLE, when it cannot be read.
    """
    try:
        is_cut_off = _is_cut_off(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read: {error.strerror}", reason=Reason.STORAGE_UNAVAILABLE, path=path
        ) from error
    if is_cut_off:
        raise CutOffError(
            f"{path} is cut off: it ends before pages that belong to it; restore a backup, or copy the file anew if it "
            "is a copy",
            reason=Reason.STORAGE_INCOMPATIBLE,
            path=path,
        )


def _is_cut_off(path: Path) -> bool:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            state = _newest_state(file)
            if state is None:
                return False
            cut_off = _lacks_pages(file, state)
            if not cut_off or _newest_state(file) == state:
                return cut_off
    finally:
        os.close(file)
    return False  # somebody commits without a pause: such a file has not been cut off


def _newest_state(file: int) -> _State | None:
    """What the newest description says; None when LMDB would not accept it."""
    page_size, newest = 0, None
    for number in range(_METAS):
        data = os.pread(file, _META_BYTES, number * page_size)
        if len(data) < _META_BYTES or _META.unpack_from(data, _HEADER.size)[0] != _MAGIC:
            return None
        page_size, *_, free_root = _TREE.unpack_from(data, _HEADER.size + _META.size)
        if page_size < _META_BYTES:
            return None
        last_page, transaction = _LAST.unpack_from(data, _META_BYTES - _LAST.size)
        if newest is None or transaction > newest.transaction:
            newest = _State(page_size, free_root, last_page, transaction)
    return newest


def _lacks_pages(file: int, state: _State) -> bool:
    """Whether pages behind the end of a file are in use."""
    held = os.fstat(file).st_size // state.page_size
    absent = state.last_page + 1 - held
    if absent <= 0:
        return False
    try:
        return absent > len({page for page in _free_pages(file, state) if held <= page <= state.last_page})
    except _UnreadableError:
        return True


def _free_pages(file: int, state: _State) -> Iterator[int]:
    """The numbers of all free pages.

    Raises:
        _UnreadableError: The list of them is not whole.
    """
    found, waiting = set(), [state.free_root]
    while waiting:
        number = waiting.pop()
        if number == _NO_PAGE:
            continue
        if number in found:
            raise _UnreadableError
        found.add(number)
        page = _read(file, number * state.page_size, state.page_size)
        try:
            for offset in _nodes(page):
                low, high, flags, key_size = _NODE.unpack_from(page, offset)
                if _HEADER.unpack_from(page)[2] & _BRANCH:
                    waiting.append(low | high << 16 | flags << 32)
                    continue
                size, data = low | high << 16, page[offset + _NODE.size + key_size :]
                if flags & _HAS_OWN_PAGES:
                    data = _read(file, _NUMBER.unpack_from(data)[0] * state.page_size + _HEADER.size, size)
                # How many there are, and then they.
                yield from struct.unpack_from(f"={_NUMBER.unpack_from(data)[0]}Q", data, _NUMBER.size)
        except struct.error:
            raise _UnreadableError from None


def _nodes(page: bytes) -> Iterator[int]:
    """Where the nodes of a page are in it."""
    end = _HEADER.unpack_from(page)[3]
    for at in range(_HEADER.size, end, _POINTER.size):
        yield _POINTER.unpack_from(page, at)[0]


def _read(file: int, offset: int, size: int) -> bytes:
    data = os.pread(file, size, offset)
    if len(data) < size:
        raise _UnreadableError
    return data
