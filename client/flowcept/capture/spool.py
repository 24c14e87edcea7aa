"""Messages on disk that are not published yet: files of JSON Lines, each complete from the moment it has its name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from flowcept.jsonlines import write_messages

_NAME_LENGTH = 100  # characters of the workflow id in a file name; file systems end at 255 bytes


class Spool:
    """The unpublished messages of one workflow, in files ``<workflow_id>.<process>.<number>.jsonl`` of one directory.

    Several processes may write to the same spool: forked children hand their messages to their parent in this way.
    Every file can be given to ``flowcept replay``.
    """

    def __init__(self, directory: Path, workflow_id: str) -> None:
        # Absolute, because the user's code may change the working directory.
        self.directory = directory.absolute()
        self._prefix = quote(workflow_id, safe="")[:_NAME_LENGTH]
        self._number = 0

    def write(self, messages: Sequence[Mapping[str, object]], *, suffix: str = "jsonl") -> Path:
        """Put messages into a new file.

        Args:
            messages: Plain data.
            suffix: End of the name; other ends than the default are not found by :meth:`files`.

        Raises:
            OSError: The disk is full, the directory cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        while True:
            path = self.directory / f"{self._prefix}.{os.getpid()}.{self._number:06d}.{suffix}"
            self._number += 1
            if not path.exists():  # an earlier run of the same name and process number
                break
        write_messages(path, messages, durable=True)
        return path

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
