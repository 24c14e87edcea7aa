"""How a setting is declared, and the forms that only the service's settings have."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from flowcept.config_loading import setting as declare
from flowcept.config_values import count, seconds

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]/]+):(?P<port>\d{1,5})")
PREFIX = "FLOWCEPT_SERVICE_"
"""How the variables of the service begin."""

T = TypeVar("T")


def setting(default: T, parse: Callable[[object], T], *, env: str) -> T:
    """A field that the environment may set; the service has no settings file."""
    return declare(default, parse, env=PREFIX + env, yaml="")


def threshold_setting(default: float | None, *, env: str) -> float | None:
    """A threshold that may be none."""
    return setting(default, threshold, env=env)


def address(value: object) -> str:
    """``host:port``; the port may be 0, for any free one."""
    text = str(value).strip()
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError("it must be host:port with a port from 0 to 65535, such as 127.0.0.1:50051, or unix:PATH")
    return text


def optional_port(value: object) -> str | None:
    """``host:port``; the port may be 0, for any free one."""
    text = address(value)
    if text.startswith("unix:"):
        raise ValueError("it must be host:port, such as 0.0.0.0:50052; probes and scrapers know no unix sockets")
    return text


def ratio(value: object) -> float:
    """A number from 0 to 1."""
    number = seconds(0.0)(value)
    if number > 1.0:
        raise ValueError("it must be a number from 0 to 1")
    return number


def between(least: int, most: int) -> Callable[[object], int]:
    """A whole number within two bounds."""

    def parse(value: object) -> int:
        number = count(least)(value)
        if number > most:
            raise ValueError(f"it must be at most {most}")
        return number

    return parse


def one_of(*choices: str) -> Callable[[object], str]:
    """One of a few words."""

    def parse(value: object) -> str:
        word = str(value).replace(" ", "").lower()
        if word not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return word

    return parse


def threshold(value: object) -> float | None:
    """A number, or ``none`` for no threshold."""
    if str(value).strip().lower() == "none":
        return None
    try:
        return float(str(value))
    except ValueError:
        raise ValueError("it must be a number, or none to give the tag to no task") from None
