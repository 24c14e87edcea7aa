"""Settings of the service: arguments over environment over defaults, read once at the start.

Each field declares its environment variable beside its default, and its docstring is its help text:
:func:`settings_table` lists them all, for the documentation and for the command's help.
"""

# ruff: noqa: RUF009 - `setting(...)` returns `dataclasses.field(...)`: nothing is shared between instances

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from flowcept.config_loading import SettingRow, build, rows
from flowcept.config_loading import setting as declare
from flowcept.config_values import Secret, boolean, count, optional_path, optional_secret, path, seconds, size

__all__ = [
    "InserterOptions",
    "LimitOptions",
    "LogOptions",
    "RetentionOptions",
    "ServiceSettings",
    "SettingRow",
    "settings_table",
]

STORES = ("lmdb", "mongodb", "none", "lmdb,mongodb", "mongodb,lmdb")
"""What ``--store`` may name: one store, none, or two, of which the second follows the first."""

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]/]+):(?P<port>\d{1,5})")
_PREFIX = "FLOWCEPT_SERVICE_"

T = TypeVar("T")


def setting(default: T, parse: Callable[[object], T], *, env: str) -> T:
    """A field that the environment may set; the service has no settings file."""
    return declare(default, parse, env=_PREFIX + env, yaml="")


def threshold_setting(default: float | None, *, env: str) -> float | None:
    """A threshold that may be none."""
    return setting(default, threshold, env=env)


def address(value: object) -> str:
    """``host:port``; the port may be 0, for any free one."""
    text = str(value).strip()
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError("it must be host:port with a port from 0 to 65535, such as 127.0.0.1:50051, or unix:PATH")
    return text


def one_of(*choices: str) -> Callable[[object], str]:
    """One of a few words."""

    def parse(value: object) -> str:
        word = str(value).replace(" ", "").lower()
        if word not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return word

    return parse


def threshold(value: object) -> float | None:
    """A number, or ``none`` for no threshold."""
    if str(value).strip().lower() == "none":
        return None
    try:
        return float(str(value))
    except ValueError:
        raise ValueError("it must be a number, or none to give the tag to no task") from None


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is logged, on standard error."""

    level: str = setting("info", one_of("debug", "info", "warning", "error"), env="LOG_LEVEL")
    """Least level that is logged: debug (every call), info, warning or error."""

    format: str = setting("auto", one_of("auto", "console", "json"), env="LOG_FORMAT")
    """``json`` for machines, ``console`` for people; ``auto``: console on a terminal, else JSON."""


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """Bounds on work at the same time, and on sizes."""

    max_uploads: int = setting(64, count(1), env="MAX_UPLOADS")
    """Most uploads at the same time; a further one is answered with RESOURCE_EXHAUSTED (TOO_MANY_UPLOADS)."""

    max_downloads: int = setting(128, count(1), env="MAX_DOWNLOADS")
    """Most downloads and queries at the same time; further ones wait for their turn."""

    max_subscriptions: int = setting(512, count(1), env="MAX_SUBSCRIPTIONS")
    """Most subscriptions at the same time; a further one is answered with RESOURCE_EXHAUSTED."""

    max_calls: int = setting(32, count(1), env="MAX_CALLS")
    """Most other calls at the same time; further ones wait for their turn."""

    in_object_bytes: int = setting(8 << 20, size(0, 15 << 20), env="IN_OBJECT_BYTES")
    """Largest payload that is kept inside its object's document (``save_data_in_collection=True``), in bytes."""


@dataclass(frozen=True, slots=True)
class RetentionOptions:
    """How long things are kept, and how often what has expired is removed."""

    staged_seconds: float = setting(86400.0, seconds(1.0), env="KEEP_STAGED_SECONDS")
    """Staged bytes of an upload that was not committed, after the last of them arrived."""

    requests_seconds: float = setting(172800.0, seconds(1.0), env="KEEP_REQUESTS_SECONDS")
    """Results of committed uploads and changes, so that repeating them is harmless."""

    events_seconds: float = setting(604800.0, seconds(1.0), env="KEEP_EVENTS_SECONDS")
    """Events of the log, with the message ids that make repeated messages harmless."""

    events_bytes: int = setting(8 << 30, size(1 << 20), env="KEEP_EVENTS_BYTES")
    """Size of the event log; the oldest events go first."""

    unreferenced_seconds: float = setting(3600.0, seconds(1.0), env="KEEP_UNREFERENCED_SECONDS")
    """Payload bytes that never became part of a version."""

    sweep_seconds: float = setting(60.0, seconds(0.05), env="SWEEP_SECONDS")
    """Time between two sweeps."""


@dataclass(frozen=True, slots=True)
class InserterOptions:
    """What the document inserter does besides merging messages into records."""

    flush_interval: float = setting(0.0, seconds(0.0), env="FLUSH_INTERVAL")
    """Seconds that a change waits for others to share its commit. 0: what waits while a commit runs forms the next."""

    flush_size: int = setting(1000, count(1), env="FLUSH_SIZE")
    """Number of changes that ends such a wait early."""

    enrich_messages: bool = setting(False, boolean, env="ENRICH_MESSAGES")
    """Fill in host and user of the service where a record has none; for a service on the host of its clients."""

    remove_empty_fields: bool = setting(False, boolean, env="REMOVE_EMPTY_FIELDS")
    """Drop None, empty strings, lists and mappings from messages."""

    summarize_telemetry: bool = setting(True, boolean, env="SUMMARIZE_TELEMETRY")
    """Derive ``telemetry_summary`` for tasks with telemetry of their start and end."""

    tag_critical_tasks: bool = setting(True, boolean, env="TAG_CRITICAL_TASKS")
    """Tag critical tasks, by the thresholds below."""

    high_cpu: float | None = threshold_setting(80.0, env="TAG_HIGH_CPU")
    """Change of the CPU's utilisation for the tag ``high_cpu``, in percentage points; ``none``: never."""

    high_mem: float | None = threshold_setting(1e9, env="TAG_HIGH_MEM")
    """Growth of memory for the tag ``high_mem``, in bytes; ``none``: never."""

    high_disk: float | None = threshold_setting(1e8, env="TAG_HIGH_DISK")
    """Bytes read and written for the tag ``high_disk``; ``none``: never."""

    long_duration: float | None = threshold_setting(0.8, env="TAG_LONG_DURATION")
    """Seconds for the tag ``long_duration``; ``none``: never."""

    low_output: float | None = threshold_setting(0.1, env="TAG_LOW_OUTPUT")
    """Output below which a task is tagged ``low_output``; ``none``: never."""

    high_output: float | None = threshold_setting(0.9, env="TAG_HIGH_OUTPUT")
    """Output above which a task is tagged ``high_output``; ``none``: never."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything the service can be told."""

    listen: str = setting("127.0.0.1:50051", address, env="LISTEN")
    """Where to listen: ``host:port`` (port 0: any free one) or ``unix:PATH``."""

    store: str = setting("lmdb", one_of(*STORES), env="STORE")
    """Where data is kept: ``lmdb``, embedded, in ``data_dir``; or ``mongodb``, which several services may share.

    ``mongodb,lmdb`` and ``lmdb,mongodb``: the first is used, and the second follows it as a copy. ``none``: events pass
    through a log in memory, nothing is kept, and queries and blobs are refused."""

    data_dir: Path = setting(Path("flowcept-data"), path, env="DATA_DIR")
    """Directory of the embedded store; made when it does not exist. One service at a time."""

    mongodb_uri: Secret | None = setting(None, optional_secret, env="MONGODB_URI")
    """Connection string of a MongoDB replica set, with the database (``flowcept`` when it names none) and credentials.

    Never shown in ``repr`` or logs. Prefer the environment to the command line, which other users may see."""

    memory_log_bytes: int = setting(256 << 20, size(1 << 20), env="MEMORY_LOG_BYTES")
    """Size of the events that the store ``none`` holds for subscribers; the oldest go first."""

    status_file: Path | None = setting(None, optional_path, env="STATUS_FILE")
    """File with the state of the service, for `flowcept-service status`; by default status.json in ``data_dir``."""

    ready_file: Path | None = setting(None, optional_path, env="READY_FILE")
    """File to write once the service answers, with its address and process id as JSON; removed when it ends."""

    drain_seconds: float = setting(30.0, seconds(0.0), env="DRAIN_SECONDS")
    """Longest time, after SIGTERM or SIGINT, that calls under way are given to finish."""

    log: LogOptions = field(default_factory=LogOptions)
    """What is logged."""

    limits: LimitOptions = field(default_factory=LimitOptions)
    """Bounds."""

    retention: RetentionOptions = field(default_factory=RetentionOptions)
    """How long things are kept."""

    inserter: InserterOptions = field(default_factory=InserterOptions)
    """What happens to published messages."""

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores of ``store``, the primary first."""
        return tuple(self.store.split(","))

    @classmethod
    def load(cls, *, environ: Mapping[str, str] | None = None, **overrides: object) -> ServiceSettings:
        """Read the settings from all sources.

        Args:
            environ: Environment to read instead of the process's.
            **overrides: Values by field name; they win. A group takes an instance of its class or a mapping of its
                fields (``limits={"max_uploads": 8}``). None: not given.

        Raises:
            InvalidArgumentError: A value is not valid or a name is unknown.
        """
        return build(cls, os.environ if environ is None else environ, {}, overrides)


def settings_table() -> tuple[SettingRow, ...]:
    """Every setting, in the order of declaration."""
    return tuple(rows(ServiceSettings))
