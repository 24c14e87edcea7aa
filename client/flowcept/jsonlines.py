"""Messages as JSON Lines: one JSON object on each line, readable by any tool, without losing a value.

What JSON cannot hold is written as MongoDB Relaxed Extended JSON writes it: ``{"$date": "..."}``,
``{"$numberDouble": "NaN"}``, ``{"$binary": {"base64": ..., "subType": "00"}}``, ``{"$oid": "..."}`` and the like. Only
the forms that are written are read back specially, so a user's own key such as ``$ref`` stays a key.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bson import DatetimeMS, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp, json_util
from bson.errors import BSONError

from flowcept.errors import InvalidArgumentError, shorten
from flowcept.replacing import replacing

_BSON_TYPES = (ObjectId, Decimal128, Regex, Timestamp, MinKey, MaxKey)
_BSON_KEYS = frozenset({"$oid", "$numberDecimal", "$regularExpression", "$timestamp", "$minKey", "$maxKey"})
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def encode_line(message: Mapping[str, object]) -> bytes:
    """One message as a line of JSON, with its newline.

    Args:
        message: Plain data, as :func:`flowcept.plain.plain` makes it.
    """
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_extended)
    except ValueError:  # not a number: rare, so it costs only those messages a second pass
        text = json.dumps(finite(message), ensure_ascii=False, separators=(",", ":"), default=_extended)
    # Half a surrogate pair, which UTF-8 does not hold, is written as JSON's own escape for it.
    return text.encode(errors="backslashreplace") + b"\n"


def decode_line(line: bytes, source: str) -> dict[str, object]:
    """The message of one line.

    Args:
        line: The line, with or without its newline.
        source: Where it stands, for the error.

    Raises:
        InvalidArgumentError: It is not a JSON object.
    """
    try:
        # The hook is a Python call for each object: only lines that may need it pay for it.
        message = json.loads(line, object_hook=_restored if b'"$' in line else None)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{source} is not valid JSON ({error}): {shorten(line)}.", field="line") from error
    if not isinstance(message, dict):
        raise InvalidArgumentError(f"{source} must be a JSON object, not {shorten(message)}.", field="line")
    return message


def read_messages(path: Path) -> Iterator[dict[str, object]]:
    """The messages of a file, one after the other, in constant memory. Empty lines are passed over.

    Raises:
        InvalidArgumentError: A line is not a JSON object; it says which.
        FileNotFoundError: There is no such file.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield decode_line(line, f"Line {number} of {path}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of a file."""

    messages: list[dict[str, object]]
    """The messages."""

    lines: list[int]
    """The number of each one's line, from 1."""

    end: int
    """Offset in the file behind the last of them."""


def read_batches(
    path: Path,
    max_messages: int,
    max_bytes: int,
    on_bad_line: Callable[[int, InvalidArgumentError], object] | None = None,
) -> Iterator[Batch]:
    """The messages of a file in batches for publishing, in constant memory. Empty lines are passed over.

    Args:
        path: The file.
        max_messages: Most messages in a batch.
        max_bytes: Most bytes of lines in a batch; a longer line is a batch of its own.
        on_bad_line: Told the number of a line that is not a JSON object, which is then passed over.

    Raises:
        InvalidArgumentError: A line is not a JSON object, and ``on_bad_line`` is not given; it says which.
        FileNotFoundError: There is no such file.
    """
    messages: list[dict[str, object]] = []
    lines: list[int] = []
    begin = end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if messages and (len(messages) == max_messages or end + len(line) - begin > max_bytes):
                yield Batch(messages, lines, end)
                messages, lines, begin = [], [], end
            end += len(line)
            if not line.strip():
                continue
            try:
                messages.append(decode_line(line, f"Line {number} of {path}"))
                lines.append(number)
            except InvalidArgumentError as error:
                if on_bad_line is None:
                    raise
                on_bad_line(number, error)
    if messages:
        yield Batch(messages, lines, end)


def write_messages(path: Path, messages: Iterable[Mapping[str, object]], *, durable: bool = False) -> None:
    """Write a file of messages in place of what was there, all or nothing.

    Args:
        path: Where to; its directory exists.
        messages: Plain data.
        durable: Also wait until the bytes are on the disk.
    """
    with replacing(path, durable=durable) as file:
        file.writelines(encode_line(message) for message in messages)


def _extended(value: object) -> object:
    if isinstance(value, bytes):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, datetime):
        return {"$date": value.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    if isinstance(value, DatetimeMS):
        return {"$date": {"$numberLong": str(int(value))}}
    if isinstance(value, _BSON_TYPES):
        return json_util.default(value, json_util.RELAXED_JSON_OPTIONS)
    raise TypeError(f"{type(value).__qualname__} is no plain data")


def finite(value: object) -> object:
    """The value with an object of Extended JSON for each number that JSON does not have: NaN and the infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$numberDouble": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _restored(found: dict[str, object]) -> object:
    if len(found) != 1:
        return found
    (key, value), *_ = found.items()
    try:
        if key == "$date" and isinstance(value, str):
            return datetime.fromisoformat(value)
        if key == "$numberDouble" and isinstance(value, str):
            return _NOT_FINITE.get(value, found)
        if key == "$binary" and isinstance(value, dict) and set(value) == {"base64", "subType"}:
            return base64.b64decode(value["base64"], validate=True)
        if key == "$date" and isinstance(value, dict) and set(value) == {"$numberLong"}:
            return DatetimeMS(int(value["$numberLong"]))
        if key in _BSON_KEYS and value is not None:  # of nothing, an identifier would be made up
            return json_util.object_hook(found, json_util.RELAXED_JSON_OPTIONS)
    except (ValueError, TypeError, KeyError, ArithmeticError, BSONError, binascii.Error):
        pass  # a user's own object that only looks like one of ours
    return found
