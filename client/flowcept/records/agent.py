"""An agent: a program, often a language model's, that acts within workflows."""

from __future__ import annotations

from typing import Any, ClassVar

from flowcept.records.record import Record


class AgentObject(Record):
    """An agent and what it belongs to. A field that is None is not part of the record."""

    type: ClassVar[str] = "agent"
    _shown: ClassVar[tuple[str, ...]] = ("agent_id", "name", "workflow_id", "campaign_id", "registered_at", "user")

    agent_id: str | None = None
    """Identifier of the agent."""

    name: str | None = None
    """Its name."""

    user: str | None = None
    """The user that it acts for."""

    workflow_id: str | None = None
    """The workflow execution that it belongs to."""

    campaign_id: str | None = None
    """The campaign that it belongs to."""

    registered_at: float | None = None
    """When it was registered, in seconds since the epoch."""

    extra_metadata: dict[str, Any] | None = None
    """Anything else known about it."""

    def __init__(
        self,
        agent_id: str | None = None,
        name: str | None = None,
        workflow_id: str | None = None,
        campaign_id: str | None = None,
    ) -> None:
        self.agent_id = agent_id
        self.name = name
        self.workflow_id = workflow_id
        self.campaign_id = campaign_id

    @staticmethod
    def agent_id_field() -> str:
        """Name of the identifier."""
        return "agent_id"
