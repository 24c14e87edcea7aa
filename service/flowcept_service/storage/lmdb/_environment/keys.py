"""How values become keys. LMDB orders keys by their bytes, and takes at most 511 of them."""

from __future__ import annotations

from hashlib import sha256
from struct import Struct
from typing import Final

NUMBER: Final = Struct(">Q")
"""Row numbers, sequences, versions and offsets: big-endian, so that the order of the bytes is that of the numbers."""

MAX_TEXT_BYTES: Final = 255
"""The longest identifier; longer values of indexed fields become prefix and digest."""
_PREFIX_BYTES: Final = 200
_LONG_MARK: Final = b"\xff"
"""Never part of UTF-8, so that no short text has the key of a long one."""


def text_key(text: str) -> bytes:
    """The key of a text: its UTF-8, or for a long one a prefix and the SHA-256 of all of it; never empty."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_TEXT_BYTES:
        # LMDB takes no empty key; NUL alone is no identifier.
        return encoded or b"\0"
    return encoded[:_PREFIX_BYTES] + _LONG_MARK + sha256(encoded).digest()


def version_key(object_id: str, version: int) -> bytes:
    """The key of one version of an object: those of one object stand together, in order."""
    return text_key(object_id) + NUMBER.pack(version)
