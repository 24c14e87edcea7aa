"""All settings of the service: arguments over environment over defaults, read once at the start.

Each field declares its environment variable beside its default, and its docstring is its help text:
:func:`settings_table` lists them all, for the documentation and for the command's help.
"""

# ruff: noqa: RUF009 - `setting(...)` returns `dataclasses.field(...)`: nothing is shared between instances

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from flowcept.config_loading import SettingRow, SettingsFile, build, rows
from flowcept.config_values import Secret, boolean, optional_path, optional_secret, path, seconds, size
from flowcept_service.config.declaring import PREFIX, address, one_of, setting
from flowcept_service.config.inserter import InserterOptions
from flowcept_service.config.limits import ConnectionOptions, LimitOptions
from flowcept_service.config.logs import LogOptions
from flowcept_service.config.observability import ObservabilityOptions
from flowcept_service.config.retention import RetentionOptions
from flowcept_service.config.security import SecurityOptions

STORES = ("lmdb", "mongodb", "none", "lmdb,mongodb", "mongodb,lmdb")
"""What ``--store`` may name: one store, none, or two, of which the second follows the first."""

_LIKENESS = 0.8  # a letter or two of a word


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

    one_cpu: bool = setting(True, boolean, env="ONE_CPU")
    """Keep the threads that run Python on one CPU, as small calls are half again as quick there (Linux).

    Bulk bytes are hashed and stored on all CPUs. The threads move when other programs crowd theirs."""

    log: LogOptions = field(default_factory=LogOptions)
    """What is logged."""

    observability: ObservabilityOptions = field(default_factory=ObservabilityOptions)
    """What the service tells about itself."""

    security: SecurityOptions = field(default_factory=SecurityOptions)
    """Transport security, and who may call."""

    limits: LimitOptions = field(default_factory=LimitOptions)
    """Bounds."""

    connections: ConnectionOptions = field(default_factory=ConnectionOptions)
    """Bounds on connections."""

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
        return build(cls, os.environ if environ is None else environ, SettingsFile(), overrides)


def settings_table() -> tuple[SettingRow, ...]:
    """Every setting, in the order of declaration."""
    return tuple(rows(ServiceSettings))


def misspelt_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of the environment that are no settings and look like one, each with the one that it looks like.

    Others of the same prefix are somebody else's: Kubernetes sets some for a service of the name ``flowcept``.
    """
    known = {row.env.removeprefix(PREFIX) for row in settings_table()}
    found = {}
    for name in os.environ if environ is None else environ:
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in known:
            continue
        for meant in get_close_matches(rest, known, n=1, cutoff=_LIKENESS):
            found[name] = PREFIX + meant
    return found
