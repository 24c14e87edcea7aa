"""How the text of a setting becomes its value; each parser says what it expects when it cannot."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PORT = 50051
"""Of a service that is not told where to listen."""

_TRUE = frozenset({"1", "true", "yes", "y", "t", "on"})
_FALSE = frozenset({"0", "false", "no", "n", "f", "off"})
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?", re.IGNORECASE)
_TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_UNITS = {"b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that shows as ``***`` wherever it is printed."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"


def text(value: object) -> str:
    """A non-empty string."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be a text that is not empty")
    return value.strip()


def address(value: object) -> str:
    """An address as gRPC understands it; a host alone means the port that services listen on by default."""
    given = text(value)
    # gRPC itself would take 443.
    is_host = given.endswith("]") if given.startswith("[") else ":" not in given
    return f"{given}:{DEFAULT_PORT}" if is_host else given


def optional_text(value: object) -> str | None:
    """A non-empty string."""
    return text(value)


def optional_traceparent(value: object) -> str | None:
    """A trace as W3C Trace Context writes it."""
    if not isinstance(value, str) or _TRACEPARENT.fullmatch(value.strip()) is None:
        raise ValueError(
            "it must be a W3C traceparent, such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        )
    return value.strip()


def path(value: object) -> Path:
    """A path; ``~`` is the home directory."""
    if isinstance(value, Path):
        return value.expanduser()
    return Path(text(value)).expanduser()


def optional_path(value: object) -> Path | None:
    """A path; ``~`` is the home directory."""
    return path(value)


def optional_secret(value: object) -> Secret | None:
    """A non-empty text that is hidden from then on."""
    return value if isinstance(value, Secret) else Secret(text(value))


def boolean(value: object) -> bool:
    """``true`` or ``false``, in the spellings that people use."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("it must be true or false")


def count(minimum: int) -> Callable[[object], int]:
    """A whole number of at least ``minimum``."""

    def parse(value: object) -> int:
        if isinstance(value, (bool, float)) or not isinstance(value, (int, str)):
            raise ValueError(f"it must be a whole number of {minimum} or more")
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"it must be a whole number of {minimum} or more") from None
        if number < minimum:
            raise ValueError(f"it must be {minimum} or more")
        return number

    return parse


def seconds(minimum: float) -> Callable[[object], float]:
    """A finite number of at least ``minimum``."""

    def parse(value: object) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(str(value))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"it must be a number of {minimum:g} or more")
        if number < minimum:
            raise ValueError(f"it must be {minimum:g} or more")
        return number

    return parse


def size(minimum: int, maximum: int | None = None) -> Callable[[object], int]:
    """A number of bytes, bare or with the unit KiB, MiB or GiB."""

    def parse(value: object) -> int:
        found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
        if found is None:
            raise ValueError("it must be a number of bytes such as 1048576 or 1MiB")
        number = int(found[1]) * _UNITS[(found[2] or "B").lower()]
        if number < minimum or (maximum is not None and number > maximum):
            upper = "" if maximum is None else f" and at most {maximum}"
            raise ValueError(f"it must be at least {minimum}{upper} bytes")
        return number

    return parse


def flush_mode(value: object) -> str:
    """``online`` or ``offline``."""
    if value not in ("online", "offline"):
        raise ValueError("it must be online or offline")
    return str(value)
