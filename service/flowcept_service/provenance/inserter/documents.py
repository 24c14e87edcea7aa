"""Free-form values: what BSON can hold is data and passes unchanged, what it cannot hold is refused by its path.

Keys with dots, keys that start with ``$``, empty keys and strings that start with ``$`` are data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp

from flowcept.errors import InvalidArgumentError, Reason, shorten

MAX_DEPTH = 100
"""Levels of nesting, the record itself included: as many as MongoDB takes."""

MAX_KEYS = 100_000
"""Keys of all mappings in one field together. Elements of arrays do not count; the size of the record bounds them."""

_LEVEL_BYTES = 7
"""What a level of nesting takes at least: type, name, length and end."""
_KEY_BYTES = 2
"""What a key takes at least: type and name."""

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

_ATOMS = frozenset(
    {
        *(NoneType, bool, float, bytes, datetime, DatetimeMS),
        *(ObjectId, Binary, Decimal128, Timestamp, Regex, Code, DBRef, MinKey, MaxKey),
    }
)
"""Types that BSON holds whatever their value."""


class _DefectError(Exception):
    """What is wrong with a value; gathers its path on the way up, so that valid documents pay nothing for it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []


def check_value(field: str, value: object) -> None:
    """Check the value of a top-level field of a record.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT, with the path of the value at fault.
    """
    try:
        if _check(value, 1) > MAX_KEYS:
            raise _too_many_keys()
    except _DefectError as defect:
        raise _error(field, defect) from None


def check_mapping(field: str, value: Mapping[Any, Any]) -> None:
    """Like ``check_value``, for a value that is known to be a mapping."""
    try:
        if _check_mapping(value, 2) > MAX_KEYS:
            raise _too_many_keys()
    except _DefectError as defect:
        raise _error(field, defect) from None


def surely_sound(data: bytes) -> bool:
    """Whether everything that was decoded from a BSON document passes the checks of this module.

    Decoding has refused what BSON cannot hold, so only the bounds are left, and nearly all documents are far too small
    to exceed them. True is certain; False says nothing.

    Args:
        data: The document, which could be decoded.
    """
    size = len(data)
    if size < MAX_DEPTH * _LEVEL_BYTES:
        return True
    # The types of nested documents and arrays. Whatever else holds these bytes is counted too.
    return size <= MAX_KEYS * _KEY_BYTES and data.count(b"\x03") + data.count(b"\x04") < MAX_DEPTH


def check_key(key: object) -> None:
    """Check a top-level key of a record. Raises InvalidArgumentError (INVALID_DOCUMENT)."""
    problem = _key_problem(key)
    if problem:
        raise InvalidArgumentError(
            f"the message has the key {shorten(key)}: {problem}", reason=Reason.INVALID_DOCUMENT, field=shorten(key)
        )


def _error(field: str, defect: _DefectError) -> InvalidArgumentError:
    path = ".".join([field, *reversed(defect.path)])
    return InvalidArgumentError(f"{path} {defect.problem}", reason=Reason.INVALID_DOCUMENT, field=path)


def _check(value: object, depth: int) -> int:
    """Check one value inside a container of a depth; the number of keys in it."""
    kind = type(value)
    if kind in _ATOMS:
        return 0
    if isinstance(value, str):
        if not value.isascii():
            _check_text(value)
        return 0
    if isinstance(value, int):
        if not _INT64_MIN <= value <= _INT64_MAX:
            raise _DefectError(
                f"is the integer {shorten(value)}, which does not fit into 64 bits; send it as a string or a float"
            )
        return 0
    if isinstance(value, Mapping):
        return _check_mapping(value, depth + 1)
    if isinstance(value, (list, tuple)):
        return _check_array(value, depth + 1)
    raise _DefectError(
        f"is of type {kind.__name__}, which a document cannot hold; convert it to numbers, strings, lists or maps"
    )


def _check_mapping(mapping: Mapping[Any, Any], depth: int) -> int:
    if depth > MAX_DEPTH:
        raise _too_deep()
    count = len(mapping)
    key: object = ""
    try:
        for key, value in mapping.items():
            if not (isinstance(key, str) and key.isascii() and "\0" not in key):
                _check_inner_key(key)
            # What nearly every value is, without the price of a call and of its questions.
            kind = type(value)
            if kind in _ATOMS or (kind is str and value.isascii()):
                continue
            count += _check_mapping(value, depth + 1) if kind is dict else _check(value, depth)
    except _DefectError as defect:
        defect.path.append(_path_step(key))
        raise
    return count


def _check_array(array: list[object] | tuple[object, ...], depth: int) -> int:
    if depth > MAX_DEPTH:
        raise _too_deep()
    count = 0
    index = 0
    try:
        for index, value in enumerate(array):  # noqa: B007  # the handler below says where
            if type(value) not in _ATOMS:
                count += _check(value, depth)
    except _DefectError as defect:
        defect.path.append(str(index))
        raise
    return count


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _DefectError(
            "contains half a surrogate pair, which UTF-8 cannot encode; replace that character"
        ) from None


def _check_inner_key(key: object) -> None:
    problem = _key_problem(key)
    if problem:
        raise _DefectError(f"is a key that a document cannot have: {problem}")


def _key_problem(key: object) -> str:
    if not isinstance(key, str):
        return f"keys are strings, not {type(key).__name__}; convert it with str()"
    if "\0" in key:
        return "keys must not contain the NUL character"
    try:
        key.encode()
    except UnicodeEncodeError:
        return "it contains half a surrogate pair, which UTF-8 cannot encode"
    return ""


def _too_deep() -> _DefectError:
    return _DefectError(f"is nested deeper than {MAX_DEPTH} levels; flatten it, or save it as a blob")


def _too_many_keys() -> _DefectError:
    return _DefectError(f"has more than {MAX_KEYS} keys in all; save it as a blob, or use arrays")


def _path_step(key: object) -> str:
    return key if isinstance(key, str) and key.isascii() and key.isprintable() and len(key) <= 60 else shorten(key)
