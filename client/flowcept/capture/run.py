"""The machinery behind one run: the one place that puts session, buffer, log and spool together."""

from __future__ import annotations

import logging
import shlex

from flowcept import buffer_file
from flowcept.capture.backlog import Unsent
from flowcept.capture.buffer import MessageBuffer
from flowcept.capture.outlet import Outlet
from flowcept.capture.publisher import PublisherFactory
from flowcept.capture.run_log import RunLog
from flowcept.capture.session import CaptureSession
from flowcept.capture.spool import Spool
from flowcept.capture.telemetry import open_telemetry
from flowcept.config import ClientSettings
from flowcept.host import host_facts

_NAMED_FILES = 5  # of more, the warning names the directory alone
_RUN_LOG_MEMORY = 16 * 1024 * 1024  # bytes of messages that await the buffer file in memory

_log = logging.getLogger(__name__)


class CaptureRun:
    """A session and what stands behind it.

    Args:
        settings: The client's settings.
        workflow_id: The workflow execution.
        campaign_id: Its campaign.
        publisher: Opens what messages are published with.
    """

    def __init__(
        self, settings: ClientSettings, workflow_id: str, campaign_id: str, publisher: PublisherFactory
    ) -> None:
        capture = settings.capture
        copy = buffer_file.run_path(settings.buffer_file, workflow_id) if settings.buffer_file.enabled else None
        self._shutdown_timeout = capture.shutdown_timeout
        self._is_offline = capture.db_flush_mode == "offline"
        self._spool = Spool(capture.spill_directory, workflow_id)
        self._run_log = RunLog(_RUN_LOG_MEMORY, copy)
        self._buffer = MessageBuffer(
            settings=capture,
            spool=self._spool,
            run_log=self._run_log,
            outlet=None if self._is_offline else Outlet(publisher),
        )
        facts = host_facts() if capture.enrich_messages else {"hostname": host_facts()["hostname"]}
        self.session = CaptureSession(
            workflow_id=workflow_id,
            campaign_id=campaign_id,
            buffer=self._buffer,
            facts=facts,
            telemetry=open_telemetry(capture.telemetry),
        )

    def messages(self) -> list[dict[str, object]]:
        """All messages so far, oldest first, as far as they are kept."""
        if self._run_log.forgotten:
            _log.warning(
                "%d older messages of this run are no longer here: no buffer file keeps them "
                "(project.dump_buffer.enabled), or it could not be written",
                self._run_log.forgotten,
            )
        return self._buffer.messages()

    def close(self, *, in_child: bool) -> None:
        """Publish what is left and complete the buffer file.

        Args:
            in_child: This is a forked child of the process that started the run; its parent completes the file.

        Raises:
            KeyboardInterrupt: The user did not want to wait for the service; nothing else was left out.
        """
        try:
            self._buffer.close(self._shutdown_timeout)
        finally:
            self._report(self._buffer.unsent())
            if not in_child:
                self._complete_copy()

    def _report(self, unsent: Unsent) -> None:
        if unsent.files:
            files = unsent.files if len(unsent.files) <= _NAMED_FILES else ()
            _log.warning(
                "The service did not take all messages of workflow %s; those are in %s. When it is back: "
                "flowcept replay %s",
                self.session.workflow_id,
                unsent.files[0].parent,
                shlex.join(map(str, files)) or f"{shlex.quote(str(unsent.files[0].parent))}/*.jsonl",
            )
        if unsent.lost:
            _log.error("%d messages of workflow %s are lost", unsent.lost, self.session.workflow_id)

    def _complete_copy(self) -> None:
        try:
            self._run_log.finish()
        except OSError as error:
            _log.warning("The buffer file of workflow %s cannot be written: %s", self.session.workflow_id, error)
            if self._is_offline:
                self._keep_elsewhere()

    def _keep_elsewhere(self) -> None:
        """Put the messages of a run whose only copy is the buffer file where unsent ones go."""
        try:
            file = self._spool.write(self.messages())
        except OSError as error:
            _log.error(
                "The messages of workflow %s are lost, they cannot be kept in %s either: %s",
                self.session.workflow_id,
                self._spool.directory,
                error,
            )
            return
        _log.warning(
            "All messages of workflow %s are in %s instead. To publish them: flowcept replay %s",
            self.session.workflow_id,
            file,
            shlex.quote(str(file)),
        )
        try:
            self._run_log.discard()
        except OSError as error:
            _log.warning("What was written of the buffer file cannot be removed, and is of no use: %s", error)
