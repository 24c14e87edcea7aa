"""What waits on disk to be published: written when memory is short or the run ends, published when the service is back.

The files of forked processes are among it: their parent publishes them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowcept.capture.outlet import Outlet
from flowcept.capture.publisher import Message
from flowcept.capture.spool import Spool
from flowcept.errors import InvalidArgumentError
from flowcept.jsonlines import read_batches

_REFUSED = "refused.jsonl"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unsent:
    """What the service did not take."""

    files: tuple[Path, ...]
    """Files with messages to be replayed."""

    lost: int
    """Messages that could not even be written to disk."""


class Backlog:
    """The unpublished messages of a workflow that are in files.

    Args:
        spool: The files.
        batch_messages: Most messages in a batch.
        batch_bytes: Size of a batch, about.
    """

    def __init__(self, spool: Spool, batch_messages: int, batch_bytes: int) -> None:
        self._spool = spool
        self._batch_messages = batch_messages
        self._batch_bytes = batch_bytes
        self.lost = 0
        """Messages that could not be written to disk."""

    def files(self) -> list[Path]:
        """Those that can be replayed."""
        return self._spool.files()

    def write(self, messages: Sequence[Message]) -> None:
        """Put messages into a file; what cannot be written is counted as lost."""
        self._write(messages, "jsonl")

    def write_refused(self, messages: Sequence[Message]) -> None:
        """Put messages that the service will never take into a file that is not published again."""
        path = self._write(messages, _REFUSED) if messages else None
        if path is not None:
            _log.warning("%d captured messages that the service refused are kept in %s", len(messages), path)

    def publish(self, outlet: Outlet, timeout: Callable[[], float | None]) -> bool:
        """Publish all files, and delete each that the service has taken.

        Args:
            outlet: Where to.
            timeout: Seconds for the next batch; None when there is no time left.

        Returns:
            Whether the service took all of it. A file that cannot be read stays, and does not count.
        """
        return all(self._publish_file(file, outlet, timeout) for file in self._spool.files())

    def _publish_file(self, file: Path, outlet: Outlet, timeout: Callable[[], float | None]) -> bool:
        refused: list[Message] = []
        try:
            for batch in read_batches(file, self._batch_messages, self._batch_bytes):
                seconds = timeout()
                answer = None if seconds is None else outlet.publish(batch.messages, seconds)
                if answer is None:
                    return False
                refused += answer
            self.write_refused(refused)
            self._spool.remove(file)
        except (OSError, InvalidArgumentError) as error:
            _log.warning("Captured messages in %s cannot be read and stay there: %s", file, error)
        return True

    def _write(self, messages: Sequence[Message], suffix: str) -> Path | None:
        try:
            return self._spool.write(messages, suffix=suffix)
        except OSError as error:
            self.lost += len(messages)
            _log.error(
                "%d captured messages are lost: %s cannot be written (%s)", len(messages), self._spool.directory, error
            )
            return None
