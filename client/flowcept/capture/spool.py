"""Messages on disk that are not published yet: files of JSON Lines, each complete from the moment it has its name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from urllib.parse import quote

from flowcept.jsonlines import write_messages

_NAME_LENGTH = 100  # characters of the workflow id in a file name; file systems end at 255 bytes
_ATTEMPTS = 100  # to write into the directory before another process, which has emptied it, removes it again


class Spool:
    """The unpublished messages of one workflow, in files ``<workflow_id>.<process>.<number>.jsonl`` of one directory.

    Several processes may write to the same spool: forked children hand their messages to their parent in this way.
    Every file can be given to ``flowcept replay``.
    """

    def __init__(self, directory: Path, workflow_id: str) -> None:
        # Absolute, because the user's code may change the working directory.
        self.directory = directory.absolute()
        self._prefix = quote(workflow_id, safe="")[:_NAME_LENGTH]
        # Threads take numbers at the same time, and the file of one must not take the place of another's.
        self._numbers = count()

    def write(self, messages: Sequence[Mapping[str, object]], *, suffix: str = "jsonl") -> Path:
        """Put messages into a new file.

        Args:
            messages: Plain data.
            suffix: End of the name; other ends than the default are not found by :meth:`files`.

        Raises:
            OSError: The disk is full, the directory cannot be written.
        """
        failures = 0
        while True:
            path = self._new_path(suffix)
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                write_messages(path, messages, durable=True)
            except (FileNotFoundError, FileExistsError):
                failures += 1
                if failures == _ATTEMPTS:
                    raise
            else:
                return path

    def _new_path(self, suffix: str) -> Path:
        prefix = f"{self._prefix}.{os.getpid()}"
        paths = (self.directory / f"{prefix}.{number:06d}.{suffix}" for number in self._numbers)
        return next(path for path in paths if not path.exists())  # an earlier run may have had the process number

    def files(self) -> list[Path]:
        """The complete files, those of a process in the order of writing."""
        if not self.directory.is_dir():
            return []
        begin = f"{self._prefix}."
        return sorted(
            file
            for file in self.directory.iterdir()
            if file.name.startswith(begin) and file.name.removeprefix(begin).count(".") == 2 and file.suffix == ".jsonl"
        )

    def remove(self, file: Path) -> None:
        """Delete a file, and the directory when it was the last."""
        file.unlink(missing_ok=True)
        try:
            self.directory.rmdir()
        except OSError:
            return  # not empty: others still use it
