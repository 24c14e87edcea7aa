"""Capturing what a program does as tasks of a workflow."""

from flowcept.capture.context import current_campaign_id, current_workflow_id, get_current_context_task_id
from flowcept.capture.controller import Flowcept
from flowcept.capture.decorator import (
    default_args_handler,
    flowcept_task,
    lightweight_flowcept_task,
    telemetry_flowcept_task,
)
from flowcept.capture.loop import FlowceptLightweightLoop, FlowceptLoop
from flowcept.capture.publisher import Message, Publisher, PublisherFactory, Rejection
from flowcept.capture.task import FlowceptTask

__all__ = [
    "Flowcept",
    "FlowceptLightweightLoop",
    "FlowceptLoop",
    "FlowceptTask",
    "Message",
    "Publisher",
    "PublisherFactory",
    "Rejection",
    "current_campaign_id",
    "current_workflow_id",
    "default_args_handler",
    "flowcept_task",
    "get_current_context_task_id",
    "lightweight_flowcept_task",
    "telemetry_flowcept_task",
]
