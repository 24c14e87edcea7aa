"""Publishing what was kept in files: messages of a run without a service, or a buffer file of an offline run."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowcept.capture.publisher import Publisher
from flowcept.errors import InvalidArgumentError
from flowcept.jsonlines import encode_line, read_batches

_BATCH_MESSAGES = 200
_BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not stored, and never will be as it is."""

    line: int
    """Its number, from 1."""

    reason: str
    """Why, for a person."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a file."""

    messages: int
    """How many messages it has."""

    refused: tuple[Refused, ...]
    """The lines that were not stored. All other messages are durable."""


def replay(
    path: Path, publisher: Publisher, *, timeout: float = 30.0, progress: Callable[[int, int], object] | None = None
) -> Replayed:
    """Publish the messages of a file of JSON Lines, in batches, in constant memory.

    It can be repeated, after a failure or by mistake: each message has the ``message_id`` that it got when it was
    captured, or one made from its content where the file has none, and the service stores an id once. A line that is
    no message holds up no other.

    Args:
        path: The file.
        publisher: Where to.
        timeout: Seconds for one batch.
        progress: Called after each batch with the bytes of the file that are done, and its size.

    Raises:
        FileNotFoundError: There is no such file.
        FlowceptError: The service does not take messages now; what was acknowledged is durable.
    """
    count = 0
    refused: list[Refused] = []
    seen: Counter[str] = Counter()
    size = path.stat().st_size

    def pass_over(line: int, error: InvalidArgumentError) -> None:
        refused.append(Refused(line, error.message))

    for batch in read_batches(path, _BATCH_MESSAGES, _BATCH_BYTES, pass_over):
        messages = [message | {"message_id": _identity(message, seen)} for message in batch.messages]
        rejections = publisher.publish(messages, timeout=timeout)
        refused += [Refused(batch.lines[rejection.index], rejection.reason) for rejection in rejections]
        count += len(messages)
        if progress is not None:
            progress(batch.end, size)
    return Replayed(count, tuple(sorted(refused, key=lambda found: found.line)))


def _identity(message: dict[str, object], seen: Counter[str]) -> object:
    known = message.get("message_id")
    if known:
        return known
    digest = hashlib.sha256(encode_line(message)).hexdigest()[:32]
    seen[digest] += 1
    # Equal messages of one file are as many messages, at every replay the same ones.
    return digest if seen[digest] == 1 else f"{digest}.{seen[digest]}"
