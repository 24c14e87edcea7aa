"""Publishing what was kept in files: messages of a run without a service, or a buffer file of an offline run."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowcept.capture.publisher import Publisher
from flowcept.jsonlines import encode_line, read_batches

_BATCH_MESSAGES = 200
_BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that the service will never take."""

    position: int
    """Which message of the file, from 1."""

    reason: str
    """Why, for a person."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a file."""

    messages: int
    """How many messages it has."""

    refused: tuple[Refused, ...]
    """Those that were not stored. All others are durable."""


def replay(
    path: Path, publisher: Publisher, *, timeout: float = 30.0, progress: Callable[[int], None] | None = None
) -> Replayed:
    """Publish the messages of a file of JSON Lines, in batches, in constant memory.

    It can be repeated, after a failure or by mistake: each message has the ``message_id`` that it got when it was
    captured, or one made from its content where the file has none, and the service stores an id once.

    Args:
        path: The file.
        publisher: Where to.
        timeout: Seconds for one batch.
        progress: Called after each batch with the number of messages so far.

    Raises:
        FileNotFoundError: There is no such file.
        InvalidArgumentError: A line is not valid JSON; what stands before it may have been published.
        FlowceptError: The service does not take messages now; what was acknowledged is durable.
    """
    count = 0
    refused: list[Refused] = []
    seen: Counter[str] = Counter()
    for batch in read_batches(path, _BATCH_MESSAGES, _BATCH_BYTES):
        messages = [message | {"message_id": _identity(message, seen)} for message, _ in batch]
        rejections = publisher.publish(messages, timeout=timeout)
        refused += [Refused(count + rejection.index + 1, rejection.reason) for rejection in rejections]
        count += len(messages)
        if progress is not None:
            progress(count)
    return Replayed(count, tuple(refused))


def _identity(message: dict[str, object], seen: Counter[str]) -> object:
    known = message.get("message_id")
    if known:
        return known
    digest = hashlib.sha256(encode_line(message)).hexdigest()[:32]
    seen[digest] += 1
    # Equal messages of one file are as many messages, at every replay the same ones.
    return digest if seen[digest] == 1 else f"{digest}.{seen[digest]}"
