"""What single values of many types become as plain data; none of their packages is imported for it."""

from __future__ import annotations

import dataclasses
import fractions
import sys
import types
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from os import PathLike, fspath
from typing import Any, NamedTuple
from uuid import UUID

from bson import Code, DatetimeMS, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp

MIN_INT, MAX_INT = -(2**63), 2**63 - 1
_REPR_CHARACTERS = 200
_KEPT = (ObjectId, Decimal128, DatetimeMS, MaxKey, MinKey, Regex, Timestamp, Code)
"""What BSON holds as it is."""
_CONVERSIONS = ("to_flowcept_dict", "to_dict")
"""Methods by which an object says itself what it is; as in Flowcept."""


class Text(NamedTuple):
    """A value that becomes text."""

    text: str


class Opened(NamedTuple):
    """A value that becomes what another one does, a container mostly."""

    content: object


def open_value(value: object, max_array_items: int, max_bytes: int) -> Any:
    """What a value that is no plain container stands for: ``Text``, ``Opened``, or a plain value.

    Args:
        value: Anything but plain atoms and containers.
        max_array_items: Arrays up to this size are kept whole.
        max_bytes: So many bytes are kept whole.
    """
    for convert in (_standard, _array_like):
        found = convert(value, max_array_items)
        if found is not None:
            return found
    if isinstance(value, (bytes, bytearray, memoryview)):
        size = value.nbytes if isinstance(value, memoryview) else len(value)
        return bytes(value) if size <= max_bytes else Opened({"type": type(value).__name__, "size": size})
    return _object(value)


def safe_text(text: str) -> str:
    """The text without halves of surrogate pairs, which UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _standard(value: object, _: int) -> Any:
    """Types of the standard library, and of BSON."""
    for kinds, convert in _STANDARD:
        if isinstance(value, kinds):
            return convert(value)
    return None


def _moment(value: datetime) -> datetime:
    # A date without a zone is local time, as Python itself takes it.
    return value.astimezone(UTC)


def _member(value: Enum) -> Any:
    inner = value.value
    if isinstance(inner, str):
        return Text(str.__str__(inner))
    return inner if isinstance(inner, (int, float)) else Text(value.name)


_STANDARD: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (_KEPT, lambda value: value),
    (Enum, _member),
    (str, lambda value: Text(str.__str__(value))),
    (bool, bool),
    (int, int),
    (float, float),
    (datetime, _moment),
    ((date, time), lambda value: Text(value.isoformat())),
    (timedelta, lambda value: value.total_seconds()),
    ((Decimal, fractions.Fraction, complex, UUID), lambda value: Text(str(value))),
    (PathLike, lambda value: Text(str(fspath(value)))),
    (BaseException, lambda value: Text(f"{type(value).__name__}: {value}")),
    ((type, types.FunctionType, types.BuiltinFunctionType, types.MethodType), lambda value: Text(_qualified(value))),
    (types.ModuleType, lambda value: Text(value.__name__)),
)
"""In this order, because some are subclasses of others: a date's, and a string's that is an enum."""


def _qualified(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _array_like(value: object, max_items: int) -> Any:
    """Values of numpy, torch and pandas. If there is one, its package is loaded."""
    numpy, torch, pandas = (sys.modules.get(name) for name in ("numpy", "torch", "pandas"))
    if numpy is not None and isinstance(value, numpy.generic):
        item = value.item()
        return Text(str(value)) if isinstance(item, numpy.generic) else Opened(item)
    if numpy is not None and isinstance(value, numpy.ndarray):
        if value.size <= max_items:
            return Opened(value.tolist())
        return Opened({"type": "numpy.ndarray", "shape": list(value.shape), "dtype": str(value.dtype)})
    if torch is not None and isinstance(value, torch.Tensor):
        if value.numel() <= max_items:
            return Opened(value.detach().cpu().tolist())
        description = {"type": "torch.Tensor", "shape": list(value.shape), "dtype": str(value.dtype)}
        return Opened({**description, "device": str(value.device)})
    if pandas is not None and isinstance(value, pandas.DataFrame):
        if value.size <= max_items:
            return Opened(value.to_dict(orient="list"))
        return Opened({"type": "pandas.DataFrame", "shape": list(value.shape), "columns": list(value.columns)})
    if pandas is not None and isinstance(value, (pandas.Series, pandas.Index)):
        if value.size <= max_items:
            return Opened(value.tolist())
        return Opened({"type": f"pandas.{type(value).__name__}", "shape": list(value.shape), "dtype": str(value.dtype)})
    return None


def _object(value: object) -> Any:
    """Objects of other classes: what they say about themselves, their fields, else their ``repr``."""
    for name in _CONVERSIONS:
        method = getattr(type(value), name, None)
        if callable(method):
            described = method(value)
            if isinstance(described, Mapping):
                return Opened(described)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Not asdict(), which copies deeply and fails on what cannot be copied.
        return Opened({field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)})
    names = getattr(value, "_fields", None)
    if isinstance(value, tuple) and isinstance(names, tuple):
        return Opened(dict(zip(map(str, names), value, strict=False)))
    text = repr(value)
    return Text(text if len(text) <= _REPR_CHARACTERS else f"{text[:_REPR_CHARACTERS]}…")
