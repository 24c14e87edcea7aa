"""``FlowceptTask``: one execution of an activity, captured from its start to its end."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from flowcept.capture.context import current_session, current_task, leave_task
from flowcept.capture.session import CaptureSession
from flowcept.plain import Plainer, plain
from flowcept.vocabulary import Status

_ERROR_TEXT = 20_000  # characters

_PLAIN_ALREADY = ("telemetry_at_start", "telemetry_at_end")


def error_text(error: BaseException) -> str:
    """What a record says about an exception: its class and message, without the traceback."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of the user's own class may fail even at that
        text = ""
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:_ERROR_TEXT]


class FlowceptTask:
    """A task, as a context manager or with ``end()``.

    ::

        with FlowceptTask(activity_id="train", used={"lr": 0.1}) as task:
            loss = train()
            task.end(generated={"loss": loss})

    Ends by itself when the block ends: FINISHED, or ERROR with the exception as ``stderr`` (the exception goes on).
    Outside a run of ``Flowcept`` it does nothing. Values are copied as plain data when they are given, so what the
    program changes later does not change the record. Capture never raises.

    Args:
        task_id: Identifier; made up when not given.
        workflow_id: Workflow execution; that of the run when not given.
        campaign_id: Campaign; that of the run when not given.
        activity_id: Name of the activity.
        agent_id: The agent that executes it.
        source_agent_id: The agent that asked for it.
        parent_task_id: The task that started it; the one around it when not given.
        used: Inputs and parameters.
        data: Raw data that belongs to it; what is large belongs into blobs.
        subtype: Finer kind.
        hostname: Host; this one when not given.
        tags: Labels.
        adapter_id: What observes it.
        custom_metadata: Anything else.
        generated: Outputs; a task that is made with outputs, an end, ``stdout`` or ``stderr`` has ended at once.
        started_at: Seconds since the epoch; now when not given.
        ended_at: The same for its end.
        stdout: Standard output.
        stderr: Standard error; makes the status ERROR.
        status: Where it stands in the end; FINISHED or ERROR when not given.
        capture_telemetry: False takes no telemetry of this task.
    """

    def __init__(  # noqa: PLR0917 - the order of the Flowcept library, whose callers pass positions
        self,
        task_id: str | None = None,
        workflow_id: str | None = None,
        campaign_id: str | None = None,
        activity_id: str | None = None,
        agent_id: str | None = None,
        source_agent_id: str | None = None,
        parent_task_id: str | None = None,
        used: dict[str, Any] | None = None,
        data: Any = None,
        subtype: str | None = None,
        hostname: str | None = None,
        tags: list[str] | None = None,
        adapter_id: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
        generated: dict[str, Any] | None = None,
        started_at: float | None = None,
        ended_at: float | None = None,
        stdout: str | None = None,
        stderr: str | None = None,
        status: Status | str | None = None,
        capture_telemetry: bool | None = None,
    ) -> None:
        session = current_session()
        self._session: CaptureSession | None = session
        self._token: Token[str | None] | None = None
        self._has_ended = False
        self._plainer = Plainer()
        self._message: dict[str, Any] = {}
        self._telemetry = capture_telemetry is not False
        self._task_id = _identifier(task_id)
        self._agent_id = _identifier(agent_id)
        self._workflow_id = _identifier(workflow_id) or (session.workflow_id if session is not None else None)
        self._campaign_id = _identifier(campaign_id) or (session.campaign_id if session is not None else None)
        if session is None:
            return
        if self._task_id is None:
            self._task_id = session.new_id()
        self._message = {
            "type": "task",
            "task_id": self._task_id,
            "workflow_id": self._workflow_id,
            "campaign_id": self._campaign_id,
            **session.facts,
        }
        self._put(
            activity_id=activity_id,
            agent_id=agent_id,
            source_agent_id=source_agent_id,
            parent_task_id=parent_task_id if parent_task_id is not None else current_task.get(),
            used=used,
            data=data,
            subtype=subtype,
            hostname=hostname,
            tags=tags,
            adapter_id=adapter_id,
            custom_metadata=custom_metadata,
            started_at=session.clock() if started_at is None else started_at,
            telemetry_at_start=session.snapshot() if self._telemetry else None,
        )
        has_outputs = bool(generated) if isinstance(generated, Mapping) else generated is not None
        if has_outputs or ended_at is not None or stdout is not None or stderr is not None:
            self.end(generated, ended_at, stdout, stderr, status=status)
        elif status is not None:
            self._put(status=status)

    def end(  # noqa: PLR0917 - likewise
        self,
        generated: dict[str, Any] | None = None,
        ended_at: float | None = None,
        stdout: str | None = None,
        stderr: str | None = None,
        data: Any = None,
        custom_metadata: dict[str, Any] | None = None,
        status: Status | str | None = None,
    ) -> None:
        """The task has ended; hands its message over. Only the first call counts.

        Args:
            generated: Outputs.
            ended_at: Seconds since the epoch; now when not given.
            stdout: Standard output.
            stderr: Standard error, or what went wrong.
            data: Raw data.
            custom_metadata: Added to that given before.
            status: ERROR when ``stderr`` is given, else FINISHED, when not given.
        """
        session = self._session
        if session is None or self._has_ended:
            return
        self._put(ended_at=session.clock() if ended_at is None else ended_at)
        if self._telemetry:
            self._put(telemetry_at_end=session.snapshot())
        known = self._message.get("custom_metadata")
        if isinstance(custom_metadata, Mapping) and isinstance(known, dict):
            custom_metadata = {**known, **custom_metadata}
        if status is None:
            status = Status.ERROR if stderr else Status.FINISHED
        self._put(
            generated=generated,
            stdout=stdout,
            stderr=stderr,
            data=data,
            custom_metadata=custom_metadata,
            status=status,
        )
        self._hand_over(session)

    def send(self) -> None:
        """The task began and ended at one moment: hands it over as FINISHED."""
        if self._session is not None and not self._has_ended:
            self._put(ended_at=self._message.get("started_at"), status=Status.FINISHED)
            self._hand_over(self._session)

    def get_id(self) -> str | None:
        """Identifier of the task; None outside a run, unless one was given."""
        return self._task_id

    def get_workflow_id(self) -> str | None:
        """Identifier of its workflow execution."""
        return self._workflow_id

    def get_campaign_id(self) -> str | None:
        """Identifier of its campaign."""
        return self._campaign_id

    def get_agent_id(self) -> str | None:
        """Identifier of its agent."""
        return self._agent_id

    def __enter__(self) -> Self:
        if self._session is not None and self._task_id is not None:
            self._token = current_task.set(self._task_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            leave_task(self._token)
            self._token = None
        if error is None:
            self.end()
        else:
            self.end(stderr=error_text(error), status=Status.ERROR)

    def _put(self, **fields: Any) -> None:
        for name, given in fields.items():
            if given is None:
                continue
            # Whatever the user gives, identifiers too: a message that is not plain could be neither sent nor kept.
            if type(given) is Status:
                self._message[name] = given.value
            elif type(given) is float or name in _PLAIN_ALREADY:
                self._message[name] = given
            else:
                self._message[name] = self._plainer.value(given)

    def _hand_over(self, session: CaptureSession) -> None:
        self._has_ended = True
        session.emit(self._message, self._plainer.weight)


def _identifier(given: object) -> str | None:
    """An identifier as text, where something else was given, a UUID say."""
    return None if given is None else str(plain(given))
