"""Giving back mapped pages.

A value that is read from the map stays counted as memory of this process until the kernel needs the pages for
something else. Streaming gigabytes would make the server look as large as the database, and a container's limit may
take that at its word. The kernel keeps the pages cached either way, so taking them back costs little.

Python's ``mmap.madvise`` needs a map of its own, so the address comes from the buffer protocol.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

_MAPS = Path("/proc/self/maps")


class _PyBuffer(ctypes.Structure):
    """``Py_buffer`` of CPython's stable interface."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int)
_get_buffer.restype = ctypes.c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (ctypes.POINTER(_PyBuffer),)
_release_buffer.restype = None
_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_madvise.restype = ctypes.c_int


def drop_pages(view: memoryview) -> None:
    """Tell the kernel that the pages which lie wholly within a view of a read-only shared file map are not needed.

    Whoever touches them again finds the same bytes. A kernel that refuses loses nothing but the effect.
    """
    buffer = _PyBuffer()
    _get_buffer(view, ctypes.byref(buffer), 0)  # raises by itself
    try:
        first = -(-buffer.buf // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (buffer.buf + buffer.len) // mmap.PAGESIZE * mmap.PAGESIZE
        if end > first:
            _madvise(first, end - first, mmap.MADV_DONTNEED)
    finally:
        _release_buffer(ctypes.byref(buffer))


def drop_file_pages(file: Path) -> None:
    """The same for every map of a file, as far as it is read-only and shared; the file must stay mapped meanwhile.

    For what LMDB itself looks at. It touches a few bytes here and there, but where the kernel caches a file in large
    pieces, each of these maps a piece as a whole: writing or deleting gigabytes would map a good part of them.
    """
    name = b" " + os.fsencode(file)
    try:
        maps = _MAPS.read_bytes()
    except OSError:
        return
    for line in maps.splitlines():
        if line.endswith(name):
            addresses, rights = line.split()[:2]
            if rights == b"r--s":
                start, end = (int(address, 16) for address in addresses.split(b"-"))
                _madvise(start, end - start, mmap.MADV_DONTNEED)
