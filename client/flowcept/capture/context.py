"""Which run and which task the running code belongs to.

Both follow the code through threads that are given its context and through asyncio tasks. Code without a context of
its own, such as a plain thread's, belongs to the run that was started last in this process.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field

from flowcept.capture.session import CaptureSession


@dataclass(slots=True)
class _Process:
    """The runs of this process."""

    open_sessions: list[CaptureSession] = field(default_factory=list)
    last_workflow_id: str | None = None
    last_campaign_id: str | None = None


# The documented `Flowcept.current_workflow_id` is a question to the process, so the process must know.
_PROCESS = _Process()
_session: ContextVar[CaptureSession | None] = ContextVar("flowcept_session", default=None)

current_task: ContextVar[str | None] = ContextVar("flowcept_task", default=None)
"""Identifier of the innermost task that is running here."""


def current_session() -> CaptureSession | None:
    """The run that captures here: the one started in this context, else the last one started in this process."""
    session = _session.get()
    if session is not None and session.is_open:
        return session
    return _PROCESS.open_sessions[-1] if _PROCESS.open_sessions else None


def current_workflow_id() -> str | None:
    """Identifier of the workflow that captures here, else of the last one that did; None before the first."""
    session = current_session()
    return _PROCESS.last_workflow_id if session is None else session.workflow_id


def current_campaign_id() -> str | None:
    """Identifier of its campaign."""
    session = current_session()
    return _PROCESS.last_campaign_id if session is None else session.campaign_id


def enter_session(session: CaptureSession) -> CaptureSession | None:
    """Make ``session`` the run that captures from here on; gives the one that it covers."""
    covered = _session.get()
    _PROCESS.open_sessions.append(session)
    _session.set(session)
    return covered


def leave_session(session: CaptureSession, covered: CaptureSession | None) -> None:
    """The run has ended; ``covered`` captures again."""
    session.is_open = False
    if session in _PROCESS.open_sessions:
        _PROCESS.open_sessions.remove(session)
    if _session.get() is session:
        _session.set(covered)
    _PROCESS.last_workflow_id = session.workflow_id
    _PROCESS.last_campaign_id = session.campaign_id


def leave_task(token: Token[str | None]) -> None:
    """The innermost task has ended; ``token`` is what setting :data:`current_task` returned."""
    # A task may end in another context than it began in (another asyncio task); that context never knew of it.
    with suppress(ValueError):
        current_task.reset(token)


def get_current_context_task_id() -> str | None:
    """Identifier of the innermost task that is running here; None outside tasks."""
    return current_task.get()
