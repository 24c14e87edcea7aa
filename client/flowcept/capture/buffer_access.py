"""The messages of a run, as its user gets at them: in memory, and in buffer files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcept import buffer_file
from flowcept.capture.context import current_session
from flowcept.capture.run import CaptureRun
from flowcept.capture.session import CaptureSession
from flowcept.config import ClientSettings
from flowcept.errors import PreconditionError

if TYPE_CHECKING:
    import pandas as pd


class _Buffer:
    """``buffer`` of an instance: the messages of its run. Of the class: of the run that captures here."""

    def __get__(self, instance: BufferAccess | None, owner: type) -> list[dict[str, object]] | None:
        session = current_session() if instance is None else instance.session
        return None if session is None else session.buffer.messages()


class BufferAccess:
    """What ``Flowcept`` offers of its messages.

    Args:
        settings: Those of the client.
    """

    current_workflow_id: str

    buffer = _Buffer()
    """The messages so far, oldest first, as far as they are kept; None when nothing runs."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._run: CaptureRun | None = None

    @property
    def session(self) -> CaptureSession | None:
        """What captures while the run is on; None before and after."""
        return None if self._run is None else self._run.session

    def get_buffer(self, return_df: bool = False) -> list[dict[str, Any]] | pd.DataFrame:
        """The messages of this run so far, oldest first; empty when it is not running.

        Args:
            return_df: Give a data frame with a column for each nested field instead. Needs pandas.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        messages = self.buffer or []
        return buffer_file.data_frame(messages, normalize=True) if return_df else messages

    def dump_buffer(self, path: str | Path | None = None) -> None:
        """Write the messages of this run so far to a file of JSON Lines, over what was there.

        Args:
            path: The file; the one from the settings when not given.

        Raises:
            PreconditionError: The run is not running, so there are no messages.
            OSError: The file cannot be written.
        """
        if self._run is None:
            raise PreconditionError(
                "There are no messages to dump: dump_buffer works within `with Flowcept(...) as flowcept`; at its end "
                "the file is written by itself when project.dump_buffer.enabled is true.",
            )
        default = buffer_file.run_path(self._settings.buffer_file, self.current_workflow_id)
        buffer_file.dump(default if path is None else Path(path), self._run.messages())

    @staticmethod
    def read_buffer_file(  # noqa: PLR0917 - the order of the Flowcept library, whose callers pass positions
        file_path: str | Path | None = None,
        return_df: bool = False,
        normalize_df: bool = False,
        consolidate: bool = False,
        workflow_id: str | None = None,
        cleanup_files: bool = True,
    ) -> list[dict[str, Any]] | pd.DataFrame:
        """The messages of a buffer file; see :func:`flowcept.buffer_file.read`.

        Args:
            file_path: The file; the one from the settings when not given.
            return_df: Give a data frame instead of a list. Needs pandas.
            normalize_df: With ``return_df``: a column for each nested field, named with dots.
            consolidate: Bring the split files of ``workflow_id`` together first, and read the result.
            workflow_id: Whose split files.
            cleanup_files: Delete the split files once they are consolidated.

        Raises:
            FileNotFoundError: There is no such file.
            InvalidArgumentError: A line is not valid JSON, or ``workflow_id`` is missing.
            ModuleNotFoundError: pandas is not installed.
        """
        return buffer_file.read(
            _default_path() if file_path is None else Path(file_path),
            return_df=return_df,
            normalize_df=normalize_df,
            consolidate=consolidate,
            workflow_id=workflow_id,
            cleanup_files=cleanup_files,
        )

    @staticmethod
    def delete_buffer_file(path: str | Path | None = None) -> None:
        """Delete a buffer file; it is no error when there is none.

        Args:
            path: The file; the one from the settings when not given.

        Raises:
            OSError: It is there and cannot be deleted.
        """
        buffer_file.delete(_default_path() if path is None else Path(path))


def _default_path() -> Path:
    return ClientSettings.load().buffer_file.path
