"""Describing the code that a run executes, beside the run."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from flowcept.capture.session import CaptureSession
from flowcept.host import code_repository
from flowcept.records import WorkflowObject

_PATIENCE = 3.0  # seconds that the end of a run waits


class CodeDescription:
    """Publishes the state of the repository that the code lies in, as part of the run's workflow.

    In a thread of its own: asking git takes milliseconds, on a slow file system seconds.

    Args:
        session: Of the run.
        directory: Where the code lies.
    """

    def __init__(self, session: CaptureSession, directory: Path) -> None:
        self._session = session
        self._directory = directory
        self._thread = Thread(target=self._describe, name="flowcept-git", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until it is published, for some seconds at most."""
        self._thread.join(_PATIENCE)

    def _describe(self) -> None:
        found = code_repository(self._directory)
        if found is not None:
            workflow = WorkflowObject(workflow_id=self._session.workflow_id)
            workflow.code_repository = dict(found)
            self._session.emit_record(workflow.to_dict())
