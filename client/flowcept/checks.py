"""Checks of what callers give."""

from __future__ import annotations

from flowcept.errors import wrong_type


def text(field: str, value: object) -> str:
    """The value, which must be a string that can travel.

    Raises:
        InvalidArgumentError: It is not.
    """
    if not isinstance(value, str):
        raise wrong_type(field, value, "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong_type(field, value, "valid Unicode, without lone surrogates") from None
    return value


def optional_text(field: str, value: object) -> str | None:
    """The same for a value that may be None.

    Raises:
        InvalidArgumentError: It is something else.
    """
    return None if value is None else text(field, value)
