"""What all records have in common: going to and from dictionaries without losing a field."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, Self

import bson

from flowcept.errors import InvalidArgumentError, shorten, wrong_type
from flowcept.plain import plain
from flowcept.vocabulary import Status

_TIMES = ("utc_timestamp", "started_at", "ended_at", "submitted_at")


def stamp(message: dict[str, Any], now: float) -> None:
    """Give a message that carries no time the time at which it was made.

    Of two messages about one record the service keeps what the later one says, and what no time is known of counts as
    said before everything else.
    """
    if not any(message.get(name) is not None for name in _TIMES):
        message["utc_timestamp"] = now


class Record:
    """A record whose fields are attributes; those that a subclass does not declare are kept as well."""

    type: ClassVar[str]
    """Kind of the record, as in messages."""

    _shown: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_dict(cls, dict_obj: Mapping[str, Any]) -> Self:
        """A record with every entry of ``dict_obj`` as an attribute.

        Raises:
            InvalidArgumentError: It is no dictionary, a name is no string, or ``status`` is none that exists.
        """
        record = cls()
        if not isinstance(dict_obj, Mapping):
            raise wrong_type(cls.type, dict_obj, "a dictionary")
        for name, value in dict_obj.items():
            if not isinstance(name, str):
                raise wrong_type(f"{cls.type} field name", name, "a string")
            if name == "type":
                continue
            setattr(record, name, _status(value) if name == "status" else value)
        return record

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, and ``type``. Values stay as they are; enums become their value."""
        fields = {
            name: value.value if isinstance(value, Enum) else value
            for name, value in vars(self).items()
            if value is not None
        }
        return fields | {"type": self.type}

    def serialize(self) -> bytes:
        """The record as BSON; values that BSON does not know become plain ones."""
        return bson.encode(plain(self.to_dict()))

    @classmethod
    def deserialize(cls, serialized_data: bytes) -> Self:
        """The record that :meth:`serialize` made.

        Raises:
            InvalidArgumentError: The bytes are no record.
        """
        if not isinstance(serialized_data, bytes | bytearray | memoryview):
            raise wrong_type("serialized_data", serialized_data, "bytes")
        try:
            return cls.from_dict(bson.decode(serialized_data))
        except bson.errors.BSONError as error:
            raise InvalidArgumentError(
                f"The bytes are no serialized {cls.__name__}: {error}.", field="serialized_data"
            ) from error

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # records are mutable

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={value!r}" for name in self._shown if (value := getattr(self, name, None)) is not None
        )
        return f"{type(self).__name__}({shown})"


def _status(value: object) -> Status | None:
    if value is None or isinstance(value, Status):
        return value
    try:
        return Status(str(value))
    except ValueError:
        raise InvalidArgumentError(
            f"status is {shorten(value)}; it must be one of {', '.join(Status)}.", field="status"
        ) from None
