"""The few pieces of the protobuf encoding that are written by hand where building messages would be the bottleneck.

What is written here is what protobuf itself would write, so every client reads it with its generated code.
"""

from __future__ import annotations

_SHORT = tuple(bytes((n,)) if n < 0x80 else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(1 << 14))
"""The varints of one and two bytes; nearly all lengths are among them."""


def varint(number: int) -> bytes:
    """A non-negative integer as protobuf's variable-length integer."""
    if number < 1 << 14:
        return _SHORT[number]
    return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80)) + varint(number >> 14)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at an offset, and the offset behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def field_ends(data: bytes, start: int = 0) -> list[int]:
    """Where each field ends in a series of length-delimited fields with numbers below 16.

    Args:
        data: The series.
        start: Offset of the first field to look at.
    """
    ends = []
    position, size = start, len(data)
    while position < size:
        position += 1
        length = data[position]
        if length >= 0x80:
            length, shift = length & 0x7F, 7
            position += 1
            while (byte := data[position]) >= 0x80:
                length |= (byte & 0x7F) << shift
                shift += 7
                position += 1
            length |= byte << shift
        position += 1 + length
        ends.append(position)
    return ends
