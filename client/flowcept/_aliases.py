"""Modules of the libraries Flowcept and Flowdapt under their names there, so that their importers need not change.

They are no files: a finder, asked after all others, makes each of them a view of the module that has its contents.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    Loader = object  # importing the abstract class takes longer than all of `import flowcept`

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "flowcept.commons.flowcept_dataclasses.agent_object": "flowcept.records.agent",
        "flowcept.commons.flowcept_dataclasses.blob_object": "flowcept.db",
        "flowcept.commons.flowcept_dataclasses.task_object": "flowcept.records.task",
        "flowcept.commons.flowcept_dataclasses.workflow_object": "flowcept.records.workflow",
        "flowcept.commons.vocabulary": "flowcept.vocabulary",
        "flowcept.flowcept_api.db_api": "flowcept.db",
        "flowcept.flowcept_api.flowcept_controller": "flowcept.capture",
        "flowcept.flowceptor.consumers.base_consumer": "flowcept.consumers",
        "flowcept.instrumentation.flowcept_loop": "flowcept.capture",
        "flowcept.instrumentation.flowcept_task": "flowcept.capture",
        "flowcept.instrumentation.task_capture": "flowcept.capture",
        "flowdapt.compute.artifacts": "flowcept.compute.artifacts",
        "flowdapt.compute.cluster_memory": "flowcept.compute.cluster_memory",
        "flowdapt.compute.object_store": "flowcept.compute.object_store",
    }
)
"""Each module of the libraries that callers import, and where its contents are."""

_PACKAGES = frozenset(name[:end] for name in ALIASES for end in range(len(name)) if name[end] == ".") - {"flowcept"}


class AliasFinder(Loader):
    """Finds the modules of ``ALIASES`` and the packages around them."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system decides on the arguments
        target: ModuleType | None = None,  # noqa: ARG002 - likewise
    ) -> ModuleSpec | None:
        """What to load for a name; None for a name that is no alias."""
        if fullname in _PACKAGES:
            return ModuleSpec(fullname, self, is_package=True)
        return ModuleSpec(fullname, self) if fullname in ALIASES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002 - likewise
        """Let the import system make an empty module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Make the module a view: names are looked up in the other one when they are asked for."""
        home = ALIASES.get(module.__name__)
        if home is None:
            return  # a package, empty but for what is imported into it
        contents = import_module(home)
        module.__doc__ = contents.__doc__
        public = [name for name in vars(contents) if not name.startswith("_")]
        module.__dict__["__all__"] = getattr(contents, "__all__", public)
        module.__dict__["__getattr__"] = lambda name: getattr(contents, name)
        module.__dict__["__dir__"] = lambda: dir(contents)


def install() -> None:
    """Make the aliases importable. Does nothing the second time."""
    if not any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        sys.meta_path.append(AliasFinder())
