"""A chunk of payload bytes as protobuf encodes it, written and read by hand.

Building a message through the protobuf library copies the bytes two or three times, which costs a third of a
transfer's speed. ``UploadRequest`` and ``DownloadResponse`` both carry their chunk as field 2, with the offset as
field 1 and the bytes as field 2, so the same few lines serve both, on both sides. The bytes on the wire are those that
protobuf itself writes; what is laid out in any other way is left to the protobuf library.
"""

from __future__ import annotations

from typing import TypeAlias

Piece: TypeAlias = bytes | bytearray | memoryview
"""Consecutive payload bytes."""

_CHUNK_FIELD = 0x12  # field 2, length-delimited: `chunk` in both messages
_OFFSET_FIELD = 0x08  # field 1, varint: `offset` in both chunks
_DATA_FIELD = 0x12  # field 2, length-delimited: `data` in both chunks
_INT64_END = 1 << 63  # larger varints are negative offsets


def encode_chunk(offset: int, *parts: Piece) -> bytes:
    """An ``UploadRequest`` or ``DownloadResponse`` that carries only this chunk; the bytes are copied once.

    Args:
        offset: Position of the first byte in the payload, 0 or more.
        parts: The bytes, one part behind the other.
    """
    size = sum(map(len, parts))
    head = b"" if offset == 0 else b"\x08" + _varint(offset)
    if size:
        head += b"\x12" + _varint(size)
    return b"".join((b"\x12", _varint(len(head) + size), head, *parts))


def decode_chunk(message: bytes) -> tuple[int, memoryview] | None:
    """The offset and the bytes (a view into ``message``) of a message that carries a chunk and nothing else.

    None for every other message, and for one that another protobuf library laid out in another way.
    """
    size = len(message)
    if size == 0 or message[0] != _CHUNK_FIELD:
        return None
    try:
        length, position = _read_varint(message, 1)
        if position + length != size:
            return None
        offset = 0
        if position < size and message[position] == _OFFSET_FIELD:
            offset, position = _read_varint(message, position + 1)
        if position == size:
            length = 0
        elif message[position] == _DATA_FIELD:
            length, position = _read_varint(message, position + 1)
        else:
            return None
    except IndexError:
        return None
    if position + length != size or offset >= _INT64_END:
        return None
    return offset, memoryview(message)[position:]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[position]
        number |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise IndexError(position)  # longer than any varint: damaged
