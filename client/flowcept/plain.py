"""Any Python value as plain data that BSON can hold. Never raises: it runs inside the code that capture observes."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from flowcept.plain_types import MAX_INT, MIN_INT, Opened, Text, open_value, safe_text

__all__ = ["PlainLimits", "PlainValue", "Plainer", "plain"]

PlainValue = Any
"""None, bool, int of 64 bits, float, str, bytes, an aware datetime, a BSON type, or a list or dict of these."""

_ATOMS = frozenset({bool, float, type(None)})
_CONTAINERS = frozenset({dict, list, tuple, set})
_LISTS = (list, tuple, deque, range)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlainLimits:
    """How much of a value is kept. What is left out is named where it was."""

    max_depth: int = 24
    """Levels of nesting."""
    max_items: int = 1000
    """Elements of one container."""
    max_values: int = 20_000
    """Elements of all containers together."""
    max_array_items: int = 100
    """Elements of an array, tensor or frame that is kept whole; of a larger one, shape and type are kept."""
    max_text: int = 100_000
    """Characters of a string, and bytes of a bytes value."""


_DEFAULT = PlainLimits()


def plain(value: object, limits: PlainLimits = _DEFAULT) -> PlainValue:
    """A value as plain data.

    Mappings get string keys, sets become sorted lists, dataclasses, named tuples and objects that offer
    ``to_flowcept_dict`` or ``to_dict`` become dicts, enums their values, integers over 64 bits and decimals text,
    small arrays and tensors lists, large ones a description; anything else its ``repr``.

    Args:
        value: Anything: cyclic, huge, or with a ``repr`` that raises.
        limits: How much is kept.
    """
    return Plainer(limits).value(value)


class Plainer:
    """Converts values, and estimates how many bytes they take.

    Args:
        limits: How much is kept, of all values together.
    """

    def __init__(self, limits: PlainLimits = _DEFAULT) -> None:
        self._limits = limits
        self._values = 0
        self._open: set[int] = set()
        self.weight = 0
        """Bytes of what was converted, about."""

    def value(self, value: object) -> PlainValue:
        """The value as plain data; see ``plain``."""
        try:
            return self._convert(value, 0)
        except Exception:  # noqa: BLE001 - a value may raise whatever it likes when it is looked at
            _log.debug("A value could not be made plain", exc_info=True)
            return f"<{type(value).__name__}>"

    def _convert(self, value: object, depth: int) -> PlainValue:
        kind = type(value)
        if kind in _ATOMS:
            self.weight += 16
            return value
        if kind is str:
            return self._text(str(value))
        if kind is int:
            return self._integer(value)  # type: ignore[arg-type]  # it is one
        if kind in _CONTAINERS:
            return self._container(value, depth)
        if isinstance(value, (Mapping, AbstractSet, *_LISTS)) and not _is_named_tuple(value):
            return self._container(value, depth)
        opened = open_value(value, self._limits.max_array_items, self._limits.max_text)
        if isinstance(opened, Opened):
            return self._container(opened.content, depth, identity=id(value))
        if isinstance(opened, Text):
            return self._text(opened.text)
        if type(opened) is int:
            return self._integer(opened)
        self.weight += 16 + (len(opened) if isinstance(opened, bytes) else 0)
        return opened

    def _container(self, value: object, depth: int, identity: int | None = None) -> PlainValue:
        identity = id(value) if identity is None else identity
        if identity in self._open:
            return "<cycle>"
        if depth >= self._limits.max_depth:
            return f"<{type(value).__name__}, nested too deeply>"
        self._open.add(identity)
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, depth)
            if isinstance(value, AbstractSet):
                return self._elements(sorted(value, key=_sort_key), depth)
            if isinstance(value, _LISTS):
                return self._elements(value, depth)
            return self._convert(value, depth + 1)
        finally:
            self._open.discard(identity)

    def _mapping(self, mapping: Mapping[Any, object], depth: int) -> dict[str, PlainValue]:
        result: dict[str, PlainValue] = {}
        # Over a copy of the items: another thread may change the mapping.
        for number, (key, element) in enumerate(list(mapping.items())):
            if self._is_full(number):
                result["..."] = f"<{len(mapping) - number} more>"
                break
            name = _key(key)
            while name in result:
                name += "_"
            self.weight += 8 + len(name)
            result[name] = self._element(element, depth)
        return result

    def _elements(self, elements: Iterable[object], depth: int) -> list[PlainValue]:
        result: list[PlainValue] = []
        values = list(itertools.islice(elements, self._limits.max_items + 1))
        for number, element in enumerate(values):
            if self._is_full(number):
                result.append("<more>")
                break
            result.append(self._element(element, depth))
        return result

    def _element(self, element: object, depth: int) -> PlainValue:
        self._values += 1
        try:
            return self._convert(element, depth + 1)
        except Exception:  # noqa: BLE001 - see ``value``: one bad element must not take the others along
            return f"<{type(element).__name__}>"

    def _is_full(self, number: int) -> bool:
        return number >= self._limits.max_items or self._values >= self._limits.max_values

    def _integer(self, value: int) -> PlainValue:
        if MIN_INT <= value <= MAX_INT:
            self.weight += 16
            return value
        # Python refuses to write very long integers in decimal.
        return self._text(str(value) if value.bit_length() < 4096 else hex(value))

    def _text(self, text: str) -> str:
        if len(text) > self._limits.max_text:
            text = f"{text[: self._limits.max_text]}… <{len(text)} characters>"
        self.weight += 8 + len(text)
        return safe_text(text)


def _is_named_tuple(value: object) -> bool:
    return isinstance(value, tuple) and isinstance(getattr(value, "_fields", None), tuple)


def _key(key: object) -> str:
    """The key as text; BSON keys hold no NUL."""
    opened = key if isinstance(key, str) else open_value(key, 0, 200)
    text = opened.text if isinstance(opened, Text) else opened
    return safe_text(text if isinstance(text, str) else str(key)[:200]).replace("\0", "\\0")


def _sort_key(element: object) -> tuple[str, str]:
    return type(element).__name__, str(element)
