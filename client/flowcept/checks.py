"""Checks of what callers give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def texts(field: str, values: object) -> list[str]:
    """The values, which must be strings that can travel.

    Raises:
        InvalidArgumentError: They are not, or are one string.
    """
    return [text(f"{field}.{index}", value) for index, value in enumerate(items(field, values, "a list of strings"))]


def items(field: str, values: object, wanted: str) -> Iterable[object]:
    """The values, which must be many: neither one string nor a dictionary, over whose parts one would iterate.

    Args:
        field: Name of the argument.
        values: What was given.
        wanted: What it must be, with its article.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise wrong_type(field, values, wanted)
    return values


def whole_number(field: str, value: object, bound: int) -> int:
    """The value, which must be a whole number from 0 to below ``bound``.

    Raises:
        InvalidArgumentError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < bound:
        raise wrong_type(field, value, f"a whole number of 0 or more, below {bound}")
    return value
