"""What an identifier may be, in every record and object."""

from __future__ import annotations

from flowcept.errors import InvalidArgumentError, Reason, shorten

MAX_IDENTIFIER_BYTES = 255
"""Longest identifier, in bytes of UTF-8: two of them, with a separator, fit into one key of the embedded store."""


def check_identifier(field: str, value: object) -> str:
    """The identifier, if it is one: a string of 1 to 255 bytes in UTF-8, without NUL.

    Args:
        field: Name of the field that holds it, for the error.
        value: What was given.

    Raises:
        InvalidArgumentError: INVALID_IDENTIFIER, with the field and the remedy.
    """
    # ASCII is the common case, and there bytes are characters.
    if isinstance(value, str) and value.isascii() and 0 < len(value) <= MAX_IDENTIFIER_BYTES and "\0" not in value:
        return value
    problem = _problem(value)
    if problem:
        raise InvalidArgumentError(
            f"{field} is {shorten(value)}, which is no identifier: {problem}",
            reason=Reason.INVALID_IDENTIFIER,
            field=field,
        )
    return str(value)


def _problem(value: object) -> str:
    """What is wrong with an identifier, and the remedy; empty when nothing is."""
    if not isinstance(value, str):
        return f"it must be a string, not {type(value).__name__}; convert it with str()"
    if not value:
        return "it must not be empty; leave the field out to say nothing"
    if "\0" in value:
        return "it must not contain the NUL character"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "it contains half a surrogate pair, which UTF-8 cannot encode"
    if size > MAX_IDENTIFIER_BYTES:
        return f"it has {size} bytes in UTF-8, and at most {MAX_IDENTIFIER_BYTES} are allowed; shorten it"
    return ""
