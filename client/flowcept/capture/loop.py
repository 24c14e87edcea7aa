"""Loops whose every iteration is a task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, Generic, TypeVar

from flowcept.capture.context import current_session, current_task, leave_task
from flowcept.capture.session import CaptureSession
from flowcept.plain import Plainer, plain
from flowcept.vocabulary import Status

Item = TypeVar("Item")


class _Loop(Generic[Item]):
    """What both kinds of loop have in common.

    Args:
        items: What to iterate over; a number means ``range`` of it.
        loop_name: Name of the loop: the activity is ``<loop_name>_iteration``.
        item_name: Name of an item in ``used``.
        parent_task_id: The task around the loop; the one that is running here when not given.
        workflow_id: Workflow execution; that of the run when not given.
        items_length: Number of items, where ``items`` does not know it.
        capture_enabled: False captures nothing.
    """

    def __init__(  # noqa: PLR0917 - the order of the Flowcept library, whose callers pass positions
        self,
        items: Iterable[Item] | int,
        loop_name: str = "loop",
        item_name: str = "item",
        parent_task_id: str | None = None,
        workflow_id: str | None = None,
        items_length: int = 0,
        capture_enabled: bool = True,
    ) -> None:
        self._items: Iterable[Any] = range(items) if isinstance(items, int) else items
        self._length = len(self._items) if isinstance(self._items, Sized) else items_length
        self._session: CaptureSession | None = current_session() if capture_enabled else None
        self._item_name = item_name
        self._fields: dict[str, Any] = {}
        self._group_id = ""
        if self._session is not None:
            self._group_id = self._session.new_id()
            parent = parent_task_id if parent_task_id is not None else current_task.get()
            self._fields = {
                "type": "task",
                "subtype": "iteration",
                "workflow_id": plain(workflow_id or self._session.workflow_id),
                "campaign_id": self._session.campaign_id,
                "activity_id": plain(f"{loop_name}_iteration"),
                "group_id": self._group_id,
                **({} if parent is None else {"parent_task_id": plain(parent)}),
                **self._session.facts,
            }
        self._message: dict[str, Any] | None = None
        self._plainer = Plainer()
        self._current_id: str | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        session = self._session
        if session is None:
            yield from self._items
            return
        for index, item in enumerate(self._items):
            self._begin(session, index, item)
            token = current_task.set(self._current_id)
            try:
                yield item
            finally:
                # Also when the body leaves the loop: the generator is closed then.
                leave_task(token)
                self._finish(session)
        self._end(session)

    def end_iter(self, generated: dict[str, Any]) -> None:
        """Give the results of the current iteration."""
        if self._message is not None and generated is not None:
            named = generated if isinstance(generated, Mapping) else {"arg_0": generated}
            self._message["generated"] = self._plainer.value(named)

    def get_current_iteration_id(self) -> str | None:
        """Identifier of the current iteration's task; None outside the loop, or when nothing is captured."""
        return self._current_id

    def _begin(self, session: CaptureSession, index: int, item: object) -> None:
        self._plainer = Plainer()
        self._current_id = f"{self._group_id}{index}"
        used = self._plainer.value({"i": index, self._item_name: item})
        self._message = {
            **self._fields,
            "task_id": self._current_id,
            "used": used,
            "started_at": session.clock(),
        }

    def _finish(self, session: CaptureSession) -> None:
        message, self._message, self._current_id = self._message, None, None
        if message is None:
            return
        message["ended_at"] = session.clock()
        message["status"] = Status.FINISHED.value
        self._done(session, message, self._plainer.weight)

    def _done(self, session: CaptureSession, message: dict[str, Any], weight: int) -> None:
        raise NotImplementedError

    def _end(self, session: CaptureSession) -> None:
        """The loop came to its end."""


class FlowceptLoop(_Loop[Item]):
    """A loop whose every iteration is a task, handed over when it ends.

    ::

        loop = FlowceptLoop(range(epochs), loop_name="epochs", item_name="epoch")
        for epoch in loop:
            loop.end_iter({"loss": train(epoch)})

    Within an iteration, tasks have it as their parent.
    """

    def _begin(self, session: CaptureSession, index: int, item: object) -> None:
        super()._begin(session, index, item)
        telemetry = session.snapshot()
        if telemetry is not None and self._message is not None:
            self._message["telemetry_at_start"] = telemetry

    def _done(self, session: CaptureSession, message: dict[str, Any], weight: int) -> None:
        telemetry = session.snapshot()
        if telemetry is not None:
            message["telemetry_at_end"] = telemetry
        session.emit(message, weight)


class FlowceptLightweightLoop(_Loop[Item]):
    """The same without telemetry, all iterations handed over when the loop ends."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: list[tuple[dict[str, Any], int]] = []

    def __iter__(self) -> Iterator[Item]:
        try:
            yield from super().__iter__()
        finally:
            if self._session is not None:
                self._end(self._session)

    def _done(
        self,
        session: CaptureSession,  # noqa: ARG002 - it is handed over later
        message: dict[str, Any],
        weight: int,
    ) -> None:
        self._waiting.append((message, weight))

    def _end(self, session: CaptureSession) -> None:
        waiting, self._waiting = self._waiting, []
        for message, weight in waiting:
            session.emit(message, weight)
