"""Tasks with the tasks that they started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowcept.db._export import ParquetWriter
from flowcept.db._queries import QueryMethods
from flowcept.errors import InvalidArgumentError, UnsupportedError, shorten
from flowcept.replacing import replacing

_PARENTS = 500  # parents whose children are asked for at once


class TaskTreeMethods(QueryMethods):
    """The methods of ``Flowcept.db`` that follow tasks to the tasks that they started."""

    def get_tasks_recursive(self, workflow_id: str, max_depth: int = 999, mapping: None = None) -> list[dict[str, Any]]:
        """The tasks of a workflow that no other task started, and all that they started, in any workflow.

        Args:
            workflow_id: The workflow execution.
            max_depth: How many levels below the first to follow.
            mapping: Not offered: the Flowcept library runs code from it.

        Returns:
            The tasks, level by level, each with ``depth`` (0 at the top) and ``ancestor_ids``: for each task above it,
            from the top, ``{activity_id: task_id}``.

        Raises:
            UnsupportedError: ``mapping`` is given.
            FlowceptError: As ``iter_query``.
        """
        return list(self.iter_tasks_recursive(workflow_id, max_depth, mapping))

    def iter_tasks_recursive(
        self, workflow_id: str, max_depth: int = 999, mapping: None = None
    ) -> Iterator[dict[str, Any]]:
        """The same one by one; in memory are only the identifiers."""
        if mapping is not None:
            raise UnsupportedError(
                "mapping is given; templates with code are not run: change the returned dictionaries instead",
                field="mapping",
            )
        if not isinstance(max_depth, int) or max_depth < 0:
            raise InvalidArgumentError(
                f"max_depth is {shorten(max_depth)}; it must be a whole number, 0 or more", field="max_depth"
            )
        # By task: the ancestors of what it started. A task comes once, even where parents form a circle.
        seen: set[object] = set()
        level: dict[str, list[dict[str, str]]] = {}
        for task in self.iter_query(filter={"workflow_id": workflow_id, "parent_task_id": None}):
            seen.add(task["task_id"])
            level[task["task_id"]] = [_ancestor(task)]
            yield {**task, "ancestor_ids": [], "depth": 0}
        for depth in range(1, max_depth + 1):
            below: dict[str, list[dict[str, str]]] = {}
            for task in self._children(list(level)):
                if task["task_id"] in seen:
                    continue
                seen.add(task["task_id"])
                ancestors = level[task["parent_task_id"]]
                below[task["task_id"]] = [*ancestors, _ancestor(task)]
                yield {**task, "ancestor_ids": ancestors, "depth": depth}
            if not below:
                return
            level = below

    def dump_tasks_to_file_recursive(
        self, workflow_id: str, output_file: str | Path = "tasks.parquet", max_depth: int = 999, mapping: None = None
    ) -> None:
        """Write what ``get_tasks_recursive`` gives to a Parquet file, in constant memory. Needs pyarrow.

        One column for each field; dictionaries and lists are JSON texts.

        Raises:
            ModuleNotFoundError: pyarrow is not installed.
            OSError: The file cannot be written; what was there is untouched.
            FlowceptError: As ``get_tasks_recursive``.
        """
        with replacing(Path(output_file)) as file, ParquetWriter(file) as writer:
            for task in self.iter_tasks_recursive(workflow_id, max_depth, mapping):
                writer.add(task)

    def _children(self, parents: list[str]) -> Iterator[dict[str, Any]]:
        for begin in range(0, len(parents), _PARENTS):
            yield from self.iter_query(filter={"parent_task_id": {"$in": parents[begin : begin + _PARENTS]}})


def _ancestor(task: dict[str, Any]) -> dict[str, str]:
    return {task.get("activity_id") or "unknown": task["task_id"]}
