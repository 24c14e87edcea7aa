"""Flowcept: workflow provenance and versioned blobs, kept by a service.

::

    from flowcept import Flowcept

    with Flowcept(workflow_name="training"):
        object_id = Flowcept.db.save_or_update_object(b"...", type="artifact", control_version=True)

Importing this package is quick: each name below is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from flowcept._aliases import install

if TYPE_CHECKING:
    from flowcept.capture import (
        Flowcept,
        FlowceptLightweightLoop,
        FlowceptLoop,
        FlowceptTask,
        flowcept_task,
        get_current_context_task_id,
        lightweight_flowcept_task,
        telemetry_flowcept_task,
    )
    from flowcept.config import ClientSettings
    from flowcept.consumers import BaseConsumer, EventSelection
    from flowcept.db import DBAPI, BlobObject
    from flowcept.errors import FlowceptError
    from flowcept.records import AgentObject, TaskObject, WorkflowObject
    from flowcept.vocabulary import Status

__all__ = [
    "DBAPI",
    "AgentObject",
    "BaseConsumer",
    "BlobObject",
    "ClientSettings",
    "EventSelection",
    "Flowcept",
    "FlowceptError",
    "FlowceptLightweightLoop",
    "FlowceptLoop",
    "FlowceptTask",
    "Status",
    "TaskObject",
    "WorkflowObject",
    "__version__",
    "flowcept_task",
    "get_current_context_task_id",
    "lightweight_flowcept_task",
    "telemetry_flowcept_task",
]

_HOMES = {
    "AgentObject": "flowcept.records",
    "BaseConsumer": "flowcept.consumers",
    "BlobObject": "flowcept.db",
    "ClientSettings": "flowcept.config",
    "DBAPI": "flowcept.db",
    "EventSelection": "flowcept.consumers",
    "Flowcept": "flowcept.capture",
    "FlowceptError": "flowcept.errors",
    "FlowceptLightweightLoop": "flowcept.capture",
    "FlowceptLoop": "flowcept.capture",
    "FlowceptTask": "flowcept.capture",
    "Status": "flowcept.vocabulary",
    "TaskObject": "flowcept.records",
    "WorkflowObject": "flowcept.records",
    "flowcept_task": "flowcept.capture",
    "get_current_context_task_id": "flowcept.capture",
    "lightweight_flowcept_task": "flowcept.capture",
    "telemetry_flowcept_task": "flowcept.capture",
}
"""Where each exported name is defined."""

install()


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("flowcept-service")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # so that this is asked once
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
