"""Tasks, workflows and agents as objects, with the fields that the Flowcept library gives them."""

from flowcept.records.agent import AgentObject
from flowcept.records.record import Record, stamp
from flowcept.records.task import TaskObject
from flowcept.records.workflow import WorkflowObject

__all__ = ["AgentObject", "Record", "TaskObject", "WorkflowObject", "stamp"]
