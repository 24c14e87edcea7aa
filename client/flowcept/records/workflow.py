"""A workflow: one execution of a set of tasks."""

from __future__ import annotations

from typing import Any, ClassVar

from flowcept.records.record import Record
from flowcept.vocabulary import Status


class WorkflowObject(Record):
    """One execution of a workflow. Times are in seconds since the epoch; a field that is None is no part of it."""

    type: ClassVar[str] = "workflow"
    _shown: ClassVar[tuple[str, ...]] = (
        "workflow_id",
        "name",
        "campaign_id",
        "parent_workflow_id",
        "status",
        "user",
        "used",
        "generated",
        "custom_metadata",
    )

    workflow_id: str | None = None
    """Identifier of the execution."""

    parent_workflow_id: str | None = None
    """The workflow execution that started this one."""

    campaign_id: str | None = None
    """The campaign that it belongs to."""

    name: str | None = None
    """Name of the workflow, the same for all its executions."""

    workflow_description: str | None = None
    """What it does, in words."""

    subtype: str | None = None
    """Finer kind, such as ``ml_workflow``."""

    agent_id: str | None = None
    """The agent that executes it."""

    adapter_id: str | None = None
    """The adapter that observed it."""

    interceptor_ids: list[str] | None = None
    """What captured it."""

    used: dict[str, Any] | None = None
    """Inputs and parameters."""

    generated: dict[str, Any] | None = None
    """Outputs and results."""

    custom_metadata: dict[str, Any] | None = None
    """Whatever else the user wants to keep with it."""

    status: Status | None = None
    """Where it stands."""

    stderr: str | None = None
    """The error that ended it."""

    started_at: float | None = None
    """When it started."""

    ended_at: float | None = None
    """When it ended."""

    utc_timestamp: float | None = None
    """When the object was made."""

    user: str | None = None
    """Who ran it."""

    sys_name: str | None = None
    """The system that it ran on."""

    environment_id: str | None = None
    """Environment that it ran in."""

    machine_info: dict[str, Any] | None = None
    """Facts of the machines that it ran on."""

    conf: dict[str, Any] | None = None
    """Configuration that it ran with."""

    flowcept_settings: dict[str, Any] | None = None
    """Settings of the capture."""

    flowcept_version: str | None = None
    """Version of the client that captured it."""

    code_repository: dict[str, Any] | None = None
    """The code that it ran: repository, branch, commit."""

    extra_metadata: dict[str, Any] | None = None
    """Metadata from the settings."""

    def __init__(
        self,
        workflow_id: str | None = None,
        name: str | None = None,
        used: dict[str, Any] | None = None,
        generated: dict[str, Any] | None = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.name = name
        self.used = used
        self.generated = generated

    def workflow_is_finished(self) -> bool:
        """Whether the execution has ended, well or not."""
        return self.status in Status.get_finished_statuses()

    @staticmethod
    def workflow_id_field() -> str:
        """Name of the identifier."""
        return "workflow_id"
