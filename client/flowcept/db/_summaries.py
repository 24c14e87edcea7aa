"""Figures over many records, computed where the records are as far as the query language goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowcept.checks import text, texts
from flowcept.db._queries import Filter, QueryMethods


class SummaryMethods(QueryMethods):
    """The methods of ``Flowcept.db`` that summarise."""

    def task_summary(self, filter: Filter | None = None) -> dict[str, Any]:
        """What the tasks that match add up to. Only four fields of each travel.

        Args:
            filter: Which tasks; all when not given.

        Returns:
            ``count``; ``status_counts`` by status (``UNKNOWN`` where a task has none); ``activity_stats``: for each
            activity, in their order, ``activity_id``, ``count``, ``status_counts`` and ``avg_duration``,
            ``min_duration``, ``max_duration``, ``sum_duration`` in seconds, None where no task has both times;
            ``time_range`` with ``min_started_at`` and ``max_ended_at`` in seconds since the epoch, or None.

        Raises:
            FlowceptError: As ``iter_query``.
        """
        activities: dict[str | None, _Activity] = {}
        fields = ("activity_id", "status", "started_at", "ended_at")
        for task in self.iter_query(filter=filter, projection=fields):
            name = task.get("activity_id")
            activities.setdefault(name, _Activity()).add(task)
        total = _Activity()
        for activity in activities.values():
            total.absorb(activity)
        return {
            "count": total.count,
            "status_counts": dict(sorted(total.statuses.items())),
            "activity_stats": [
                {"activity_id": name, **activities[name].figures()}
                for name in sorted(activities, key=lambda name: (name is None, name or ""))
            ],
            "time_range": {"min_started_at": total.first_start, "max_ended_at": total.last_end},
        }

    def derive_campaigns(self, campaign_id: str | None = None) -> list[dict[str, Any]]:
        """The campaigns that workflows and tasks belong to, the one that was active last first. Grouped in the service.

        Args:
            campaign_id: Only this one.

        Returns:
            For each: ``campaign_id``, ``workflow_count``, ``task_count``, ``users``, ``workflow_names`` (both sorted),
            ``first_ts`` and ``last_ts`` in seconds since the epoch, None where no record has a time.

        Raises:
            FlowceptError: As ``iter_query``.
        """
        wanted = {"campaign_id": {"$ne": None} if campaign_id is None else campaign_id}
        campaigns: dict[str, _Campaign] = {}
        workflows = self.iter_query(
            filter=wanted,
            collection="workflows",
            projection=["campaign_id", "user", "name"],
            aggregation=[("count", "*"), ("min", "utc_timestamp"), ("max", "utc_timestamp")],
        )
        for group in workflows:
            campaign = campaigns.setdefault(group["campaign_id"], _Campaign())
            campaign.workflows += group["count"]
            campaign.users |= _texts(group.get("user"))
            campaign.names |= _texts(group.get("name"))
            campaign.see(group.get("min_utc_timestamp"), group.get("max_utc_timestamp"))
        ends = [(operator, name) for name in ("started_at", "ended_at") for operator in ("min", "max")]
        tasks = self.iter_query(filter=wanted, projection=["campaign_id"], aggregation=[("count", "*"), *ends])
        for group in tasks:
            campaign = campaigns.setdefault(group["campaign_id"], _Campaign())
            campaign.tasks += group["count"]
            campaign.see(*(group.get(f"{operator}_{name}") for operator, name in ends))
        rows = [{"campaign_id": name, **campaign.figures()} for name, campaign in campaigns.items()]
        return sorted(rows, key=lambda row: (row["last_ts"] is None, -(row["last_ts"] or 0.0), row["campaign_id"]))

    def telemetry_timeseries(
        self, filter: Filter | None, fields: Sequence[str], x_field: str = "started_at", limit: int = 1000
    ) -> list[dict[str, Any]]:
        """Values of the tasks that match, in the order of one of their fields. Only what is asked for travels.

        Args:
            filter: Which tasks; all when not given.
            fields: Paths of the values, such as ``telemetry_at_end.cpu.percent_all``.
            x_field: Path of the field to sort by; tasks that lack it come last.
            limit: At most so many tasks; 0 means all.

        Returns:
            For each task ``x_field``, ``task_id``, ``activity_id`` and each of ``fields``, None where it lacks one.

        Raises:
            InvalidArgumentError: ``fields`` is no list of paths.
            FlowceptError: As ``iter_query``.
        """
        wanted = dict.fromkeys((text("x_field", x_field), "task_id", "activity_id", *texts("fields", fields)))
        rows: list[dict[str, Any]] = []
        # BSON sorts what is absent first, and with a limit that would be all that comes.
        for condition in ({x_field: {"$ne": None}}, {x_field: None}):
            left = limit - len(rows) if limit else 0
            if limit and not left:
                break
            found = self.iter_query(
                filter={"$and": [filter or {}, condition]},
                projection=_without_nested(wanted),
                sort=[(x_field, self.ASCENDING)],
                limit=left,
            )
            rows += [{path: _at(task, path) for path in wanted} for task in found]
        return rows


@dataclass(slots=True)
class _Activity:
    """Figures over tasks."""

    count: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    timed: int = 0
    seconds: float = 0.0
    shortest: float | None = None
    longest: float | None = None
    first_start: float | None = None
    last_end: float | None = None

    def add(self, task: Mapping[str, Any]) -> None:
        self.count += 1
        status = task.get("status") or "UNKNOWN"
        self.statuses[status] = self.statuses.get(status, 0) + 1
        start, end = _seconds(task.get("started_at")), _seconds(task.get("ended_at"))
        self.first_start, self.last_end = _least(self.first_start, start), _greatest(self.last_end, end)
        if start is not None and end is not None:
            self.timed += 1
            self.seconds += end - start
            self.shortest, self.longest = _least(self.shortest, end - start), _greatest(self.longest, end - start)

    def absorb(self, other: _Activity) -> None:
        self.count += other.count
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        self.first_start = _least(self.first_start, other.first_start)
        self.last_end = _greatest(self.last_end, other.last_end)

    def figures(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "status_counts": dict(sorted(self.statuses.items())),
            "avg_duration": self.seconds / self.timed if self.timed else None,
            "min_duration": self.shortest,
            "max_duration": self.longest,
            "sum_duration": self.seconds if self.timed else None,
        }


@dataclass(slots=True)
class _Campaign:
    """Figures over a campaign."""

    workflows: int = 0
    tasks: int = 0
    users: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    first: float | None = None
    last: float | None = None

    def see(self, *times: object) -> None:
        for value in times:
            self.first = _least(self.first, _seconds(value))
            self.last = _greatest(self.last, _seconds(value))

    def figures(self) -> dict[str, Any]:
        return {
            "workflow_count": self.workflows,
            "task_count": self.tasks,
            "users": sorted(self.users),
            "workflow_names": sorted(self.names),
            "first_ts": self.first,
            "last_ts": self.last,
        }


def _seconds(value: object) -> float | None:
    """A stored time, date or seconds, in seconds since the epoch."""
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _greatest(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


def _texts(value: object) -> set[str]:
    return {value} if isinstance(value, str) else set()


def _without_nested(paths: Iterable[str]) -> list[str]:
    """The paths that lie in no other of them: MongoDB refuses a projection of a field and a part of it."""
    known = set(paths)
    return [path for path in paths if not any(path.startswith(f"{other}.") for other in known)]


def _at(document: Any, path: str) -> Any:
    value = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
