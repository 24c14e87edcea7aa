"""One run of capture: what all its messages have in common, and where they go."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from flowcept.capture.buffer import MessageBuffer
from flowcept.capture.ids import IdGenerator
from flowcept.capture.telemetry import TelemetryCapture
from flowcept.plain import Plainer, PlainValue
from flowcept.records import stamp

_MESSAGE_WEIGHT = 500  # bytes of a message's own fields, about

_log = logging.getLogger(__name__)


class CaptureSession:
    """What instrumentation needs while a workflow runs.

    Args:
        workflow_id: The workflow execution that tasks belong to.
        campaign_id: The campaign that it belongs to.
        buffer: Takes the messages.
        facts: Fields that every task carries: host, user.
        telemetry: Takes snapshots; None when none are wanted.
        clock: Seconds since the epoch.
        ids: Makes identifiers.
    """

    def __init__(
        self,
        *,
        workflow_id: str,
        campaign_id: str,
        buffer: MessageBuffer,
        facts: Mapping[str, str],
        telemetry: TelemetryCapture | None = None,
        clock: Callable[[], float] = time.time,
        ids: IdGenerator | None = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.campaign_id = campaign_id
        self.buffer = buffer
        self.facts = dict(facts)
        self.telemetry = telemetry
        self.clock = clock
        self.new_id = (ids if ids is not None else IdGenerator()).new
        self.is_open = True

    def emit(self, message: dict[str, Any], weight: int = 0) -> None:
        """Hand over a message. Never raises: what the user's code does is more important than the record of it.

        Args:
            message: Plain data; belongs to capture from now on.
            weight: Bytes of its documents, estimated.
        """
        try:
            message["message_id"] = self.new_id()
            stamp(message, self.clock())
            self.buffer.append(message, _MESSAGE_WEIGHT + weight)
        except Exception:  # noqa: BLE001 - see above; memory may be short, a thread may not start at shutdown
            _log.warning("A captured message is lost", exc_info=True)

    def emit_record(self, record: Mapping[str, object]) -> None:
        """Hand over a message whose values are not plain yet."""
        plainer = Plainer()
        message = plainer.value(dict(record))
        if isinstance(message, dict):
            self.emit(message, plainer.weight)

    def snapshot(self) -> dict[str, PlainValue] | None:
        """The machine's state now; None when nobody asked for it."""
        return None if self.telemetry is None else self.telemetry.snapshot()
