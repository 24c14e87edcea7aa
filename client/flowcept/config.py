"""Settings of the client: arguments over environment over ``settings.yaml`` over defaults, read once.

The file is the one that ``FLOWCEPT_SETTINGS_PATH`` names, else ``~/.flowcept/settings.yaml`` when it exists. It may be
a settings file of the Flowcept library: its sections that mean nothing here (``mq``, ``kv_db``, ``adapters``, ...) are
left alone, while the sections that are ours alone (``service``, ``capture``) must not contain unknown keys.

Each field declares its environment variable and its key in the file beside its default, and its docstring is its help
text: :func:`settings_table` lists them all, for the documentation and for error messages.
"""

# ruff: noqa: RUF009 - `setting(...)` returns `dataclasses.field(...)`: nothing is shared between instances

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowcept.config_loading import SettingRow, SettingsGroup, build, read_settings_file, rows, setting
from flowcept.config_values import (
    Secret,
    address,
    boolean,
    count,
    flush_mode,
    optional_path,
    optional_secret,
    optional_text,
    optional_traceparent,
    path,
    seconds,
    size,
)
from flowcept.errors import InvalidArgumentError

__all__ = [
    "BufferFileSettings",
    "CaptureSettings",
    "ClientSettings",
    "RetrySettings",
    "Secret",
    "SettingRow",
    "TelemetrySettings",
    "TlsSettings",
    "settings_table",
]


_OWN_SECTIONS = ("service", "capture")


@dataclass(frozen=True, slots=True)
class TlsSettings(SettingsGroup):
    """Transport security of the channel to the service."""

    enabled: bool = setting(False, boolean, env="FLOWCEPT_TLS", yaml="service.tls.enabled")
    """Encrypt the connection. Implied by any of the files below."""

    ca_file: Path | None = setting(None, optional_path, env="FLOWCEPT_TLS_CA", yaml="service.tls.ca_file")
    """PEM file with the certificate authorities to trust; the system's when not given."""

    cert_file: Path | None = setting(None, optional_path, env="FLOWCEPT_TLS_CERT", yaml="service.tls.cert_file")
    """PEM file with this client's certificate, for mutual TLS. Needs the key file too."""

    key_file: Path | None = setting(None, optional_path, env="FLOWCEPT_TLS_KEY", yaml="service.tls.key_file")
    """PEM file with the private key of the client certificate."""

    server_name: str | None = setting(
        None, optional_text, env="FLOWCEPT_TLS_SERVER_NAME", yaml="service.tls.server_name"
    )
    """Name to expect in the server's certificate when it differs from the target's host."""

    def __post_init__(self) -> None:
        SettingsGroup.__post_init__(self)  # `super()` knows not the class that `slots=True` makes
        if (self.cert_file is None) != (self.key_file is None):
            missing = (
                "tls.key_file (FLOWCEPT_TLS_KEY)" if self.key_file is None else "tls.cert_file (FLOWCEPT_TLS_CERT)"
            )
            raise InvalidArgumentError(
                f"A client certificate and its private key belong together; {missing} is missing.",
                field=missing.partition(" ")[0],
            )
        if self.ca_file is not None or self.cert_file is not None:
            object.__setattr__(self, "enabled", True)


@dataclass(frozen=True, slots=True)
class RetrySettings(SettingsGroup):
    """How calls are repeated while the service is away. Waits grow by ``multiplier`` and are jittered."""

    max_attempts: int = setting(5, count(1), env="FLOWCEPT_RETRY_ATTEMPTS", yaml="service.retry.max_attempts")
    """Attempts of one call, the first included; 1 switches repetition off. A transfer or stream that had reached the
    service is not bound by it: it goes on until ``idle_timeout`` seconds have passed without progress."""

    initial_backoff: float = setting(
        0.2, seconds(0.001), env="FLOWCEPT_RETRY_INITIAL_BACKOFF", yaml="service.retry.initial_backoff"
    )
    """Seconds before the first repetition."""

    max_backoff: float = setting(
        10.0, seconds(0.001), env="FLOWCEPT_RETRY_MAX_BACKOFF", yaml="service.retry.max_backoff"
    )
    """Longest wait between two attempts, in seconds."""

    multiplier: float = setting(2.0, seconds(1.0), env="FLOWCEPT_RETRY_MULTIPLIER", yaml="service.retry.multiplier")
    """Factor from one wait to the next, 1 or more."""


@dataclass(frozen=True, slots=True)
class TelemetrySettings(SettingsGroup):
    """Which parts of the machine's state tasks carry at their start and end. All off by default; needs ``psutil``."""

    enabled: bool = setting(True, boolean, env="TELEMETRY_ENABLED", yaml="telemetry_capture.enabled")
    """False turns every part off at once."""

    cpu: bool = setting(False, boolean, env="FLOWCEPT_TELEMETRY_CPU", yaml="telemetry_capture.cpu")
    """CPU times, load in percent and frequency of the machine."""

    per_cpu: bool = setting(False, boolean, env="FLOWCEPT_TELEMETRY_PER_CPU", yaml="telemetry_capture.per_cpu")
    """The same for each core."""

    mem: bool = setting(False, boolean, env="FLOWCEPT_TELEMETRY_MEM", yaml="telemetry_capture.mem")
    """Virtual memory and swap of the machine."""

    disk: bool = setting(False, boolean, env="FLOWCEPT_TELEMETRY_DISK", yaml="telemetry_capture.disk")
    """Disk usage of the root file system and I/O counters."""

    network: bool = setting(False, boolean, env="FLOWCEPT_TELEMETRY_NETWORK", yaml="telemetry_capture.network")
    """Network I/O counters, total and by interface."""

    process_info: bool = setting(
        False, boolean, env="FLOWCEPT_TELEMETRY_PROCESS", yaml="telemetry_capture.process_info"
    )
    """Memory, CPU, I/O, threads and open files of this process."""

    machine_info: bool = setting(
        False, boolean, env="FLOWCEPT_TELEMETRY_MACHINE", yaml="telemetry_capture.machine_info"
    )
    """A description of the machine in the workflow's record (platform, processor, memory, disk, interfaces)."""


@dataclass(frozen=True, slots=True)
class CaptureSettings(SettingsGroup):
    """How instrumentation buffers what it observes. Its bound on loss at a crash is one buffer or one interval."""

    enabled: bool = setting(True, boolean, env="FLOWCEPT_CAPTURE_ENABLED", yaml="instrumentation.enabled")
    """False makes all instrumentation do nothing."""

    db_flush_mode: str = setting("online", flush_mode, env="DB_FLUSH_MODE", yaml="project.db_flush_mode")
    """``online`` publishes in the background during the run; ``offline`` keeps messages for the buffer file."""

    buffer_size: int = setting(200, count(1), env="FLOWCEPT_CAPTURE_BUFFER_SIZE", yaml="capture.buffer_size")
    """Messages that trigger a flush; also the size of one published batch."""

    flush_interval: float = setting(
        1.0, seconds(0.01), env="FLOWCEPT_CAPTURE_FLUSH_INTERVAL", yaml="capture.flush_interval"
    )
    """Longest time, in seconds, that a message waits in the buffer while the service answers."""

    max_memory: int = setting(
        64 * 1024 * 1024, size(64 * 1024), env="FLOWCEPT_CAPTURE_MAX_MEMORY", yaml="capture.max_memory"
    )
    """Bytes of messages (estimated) kept in memory; what exceeds it is spilled to disk."""

    spill_directory: Path = setting(
        Path("flowcept_unsent"), path, env="FLOWCEPT_CAPTURE_SPILL_DIRECTORY", yaml="capture.spill_directory"
    )
    """Where messages go that could not be published, as JSON Lines for ``flowcept replay``; created when needed."""

    shutdown_timeout: float = setting(
        10.0, seconds(0.0), env="FLOWCEPT_CAPTURE_SHUTDOWN_TIMEOUT", yaml="capture.shutdown_timeout"
    )
    """Seconds that the end of a workflow waits for its last messages before they are written to the spill directory.
    It waits only while an answer may come: not for a service that refuses connections and was never reached."""

    enrich_messages: bool = setting(True, boolean, env="FLOWCEPT_ENRICH_MESSAGES", yaml="project.enrich_messages")
    """Add host, user and version to messages, and the git commit to the workflow."""

    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    """Telemetry parts, see :class:`TelemetrySettings`."""


@dataclass(frozen=True, slots=True)
class BufferFileSettings(SettingsGroup):
    """The JSON Lines file that keeps a copy of a run's messages."""

    enabled: bool = setting(True, boolean, env="DUMP_BUFFER", yaml="project.dump_buffer.enabled")
    """Write the file at the end of a run."""

    path: Path = setting(
        Path("flowcept_buffer.jsonl"), path, env="FLOWCEPT_DUMP_BUFFER_PATH", yaml="project.dump_buffer.path"
    )
    """Path of the file when no other is given."""

    append_workflow_id_to_path: bool = setting(
        False,
        boolean,
        env="FLOWCEPT_DUMP_BUFFER_APPEND_WORKFLOW_ID",
        yaml="project.dump_buffer.append_workflow_id_to_path",
    )
    """Put ``_<workflow_id>`` before the suffix: one file for each workflow."""

    append_id_to_path: bool = setting(
        False, boolean, env="FLOWCEPT_DUMP_BUFFER_APPEND_ID", yaml="project.dump_buffer.append_id_to_path"
    )
    """Put ``_<process>_<thread>`` before the suffix: one file for each writer, to be consolidated later."""

    delete_previous_file: bool = setting(
        False, boolean, env="FLOWCEPT_DUMP_BUFFER_DELETE_PREVIOUS", yaml="project.dump_buffer.delete_previous_file"
    )
    """Delete an existing file of that path when a workflow starts."""


@dataclass(frozen=True, slots=True)
class ClientSettings(SettingsGroup):
    """Everything the client can be told."""

    target: str = setting("localhost:50051", address, env="FLOWCEPT_TARGET", yaml="service.target")
    """Address of the service as gRPC understands it: ``host:port``, ``dns:///name:port``, ``unix:/path``. A host alone
    means port 50051."""

    token: Secret | None = setting(None, optional_secret, env="FLOWCEPT_TOKEN", yaml="service.token")
    """Bearer token sent with every call. Never shown in ``repr`` or logs."""

    token_file: Path | None = setting(None, optional_path, env="FLOWCEPT_TOKEN_FILE", yaml="service.token_file")
    """File that holds the token, read again when it changes. Not together with ``token``."""

    timeout: float = setting(30.0, seconds(0.001), env="FLOWCEPT_TIMEOUT", yaml="service.timeout")
    """Deadline of one unary call, in seconds. Streams have none; they are bounded by ``idle_timeout``."""

    connect_timeout: float = setting(
        10.0, seconds(0.001), env="FLOWCEPT_CONNECT_TIMEOUT", yaml="service.connect_timeout"
    )
    """Longest wait, in seconds, for a connection before a call counts as failed."""

    idle_timeout: float = setting(60.0, seconds(0.001), env="FLOWCEPT_IDLE_TIMEOUT", yaml="service.idle_timeout")
    """A stream that moves nothing for so many seconds is broken off and resumed."""

    chunk_size: int = setting(
        1024 * 1024, size(1024, 3 * 1024 * 1024), env="FLOWCEPT_CHUNK_SIZE", yaml="service.chunk_size"
    )
    """Payload bytes in one message of an upload or download, 1 KiB to 3 MiB."""

    traceparent: str | None = setting(
        None, optional_traceparent, env="FLOWCEPT_TRACEPARENT", yaml="service.traceparent"
    )
    """W3C trace that the calls belong to, for programs that make no spans of their own: an active OpenTelemetry span
    goes before it."""

    user: str | None = setting(None, optional_text, env="FLOWCEPT_USER", yaml="experiment.user")
    """Name recorded as author of workflows and blobs; the login name when not given."""

    tls: TlsSettings = field(default_factory=TlsSettings)
    """Transport security, see :class:`TlsSettings`."""

    retry: RetrySettings = field(default_factory=RetrySettings)
    """Repetition of failed calls, see :class:`RetrySettings`."""

    capture: CaptureSettings = field(default_factory=CaptureSettings)
    """Instrumentation, see :class:`CaptureSettings`."""

    buffer_file: BufferFileSettings = field(default_factory=BufferFileSettings)
    """Local copy of a run's messages, see :class:`BufferFileSettings`."""

    def __post_init__(self) -> None:
        SettingsGroup.__post_init__(self)
        if self.token is not None and self.token_file is not None:
            raise InvalidArgumentError(
                "token (FLOWCEPT_TOKEN) and token_file (FLOWCEPT_TOKEN_FILE) are both set; keep one of them.",
                field="token_file",
            )

    @classmethod
    def load(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        settings_path: str | Path | None = None,
        **overrides: object,
    ) -> ClientSettings:
        """Read the settings from all sources.

        Args:
            environ: Environment to read instead of the process's.
            settings_path: Settings file to read instead of the one the environment names.
            **overrides: Values by field name; they win over every other source. A group takes an instance of its class
                (used as it is) or a mapping of its fields (``capture={"buffer_size": 10}``). ``None``: not given.

        Raises:
            InvalidArgumentError: A value is not valid, a name is unknown or the settings file cannot be read.
        """
        variables = os.environ if environ is None else environ
        file = read_settings_file(settings_path, variables, _OWN_SECTIONS, settings_table())
        return build(cls, variables, file, overrides)


def settings_table() -> tuple[SettingRow, ...]:
    """Every setting, in the order of declaration."""
    return tuple(rows(ClientSettings))
