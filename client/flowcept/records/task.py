"""A task: one execution of an activity."""

from __future__ import annotations

from typing import Any, ClassVar

from flowcept.host import host_facts
from flowcept.records.record import Record
from flowcept.vocabulary import Status


class TaskObject(Record):
    """One execution of an activity, with its inputs, outputs and circumstances.

    Times are seconds since the epoch. A field that is None is not part of the record.
    """

    type: ClassVar[str] = "task"
    _shown: ClassVar[tuple[str, ...]] = (
        "task_id",
        "workflow_id",
        "campaign_id",
        "activity_id",
        "started_at",
        "ended_at",
        "status",
        "subtype",
        "parent_task_id",
        "agent_id",
    )

    task_id: str | None = None
    """Identifier of the task."""

    subtype: str | None = None
    """Finer kind, such as ``iteration``."""

    activity_id: str | None = None
    """Name of the activity, usually of the function."""

    workflow_id: str | None = None
    """The workflow execution that the task belongs to."""

    workflow_name: str | None = None
    """Name of that workflow."""

    campaign_id: str | None = None
    """The campaign that it belongs to."""

    parent_task_id: str | None = None
    """The task inside which it ran."""

    group_id: str | None = None
    """What ties the iterations of a loop together."""

    agent_id: str | None = None
    """The agent that executed it."""

    source_agent_id: str | None = None
    """The agent that asked for it."""

    adapter_id: str | None = None
    """The adapter that observed it."""

    used: dict[str, Any] | None = None
    """Inputs and parameters."""

    generated: dict[str, Any] | None = None
    """Outputs and results."""

    data: Any = None
    """Raw data that belongs to the task; ``custom_metadata`` should say what it is."""

    custom_metadata: dict[str, Any] | None = None
    """Whatever else the user wants to keep with it."""

    tags: list[str] | None = None
    """Free-form labels."""

    status: Status | None = None
    """Where it stands."""

    stdout: str | dict[str, Any] | None = None
    """Standard output."""

    stderr: str | dict[str, Any] | None = None
    """Standard error, or the error that ended it."""

    submitted_at: float | None = None
    """When it was handed to a scheduler."""

    started_at: float | None = None
    """When it started."""

    ended_at: float | None = None
    """When it ended."""

    registered_at: float | None = None
    """When the service stored it."""

    utc_timestamp: float | None = None
    """When the object was made."""

    telemetry_at_start: dict[str, Any] | None = None
    """State of the machine at the start."""

    telemetry_at_end: dict[str, Any] | None = None
    """State of the machine at the end."""

    user: str | None = None
    """Who ran it."""

    login_name: str | None = None
    """Login name on the machine that ran it."""

    hostname: str | None = None
    """Host that ran it."""

    node_name: str | None = None
    """Node of the cluster that ran it."""

    public_ip: str | None = None
    """Public address of that host."""

    private_ip: str | None = None
    """Private address of that host."""

    address: str | None = None
    """Address of the worker that ran it."""

    mq_host: str | None = None
    """Message queue that carried it."""

    environment_id: str | None = None
    """Environment that it ran in."""

    dependencies: list[str] | None = None
    """Tasks that it waited for."""

    dependents: list[str] | None = None
    """Tasks that waited for it."""

    def enrich(self, adapter_key: str | None = None) -> None:
        """Add the facts of this host where they are missing."""
        if adapter_key is not None:
            self.adapter_id = adapter_key
        for name, value in host_facts().items():
            if getattr(self, name) is None:
                setattr(self, name, value)

    @staticmethod
    def enrich_task_dict(task_dict: dict[str, Any]) -> None:
        """The same for a task in the form of a dictionary."""
        for name, value in host_facts().items():
            if task_dict.get(name) is None:
                task_dict[name] = value

    @staticmethod
    def task_id_field() -> str:
        """Name of the identifier."""
        return "task_id"

    @staticmethod
    def workflow_id_field() -> str:
        """Name of the workflow's identifier."""
        return "workflow_id"

    @staticmethod
    def get_time_field_names() -> list[str]:
        """Names of the fields that are times."""
        return ["started_at", "ended_at", "submitted_at", "registered_at", "utc_timestamp"]

    @staticmethod
    def get_dict_field_names() -> list[str]:
        """Names of the fields that updates merge key by key."""
        return ["used", "generated", "custom_metadata", "telemetry_at_start", "telemetry_at_end"]
