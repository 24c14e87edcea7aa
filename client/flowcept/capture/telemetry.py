"""Snapshots of the machine's state, as tasks carry them at their start and end. Needs psutil."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from flowcept.config import TelemetrySettings
from flowcept.host import host_facts
from flowcept.plain import PlainValue, plain

_log = logging.getLogger(__name__)


def open_telemetry(settings: TelemetrySettings) -> TelemetryCapture | None:
    """What takes snapshots; None when none are wanted, or psutil is not installed."""
    parts = (settings.cpu, settings.per_cpu, settings.mem, settings.disk, settings.network, settings.process_info)
    if not settings.enabled or not (any(parts) or settings.machine_info):
        return None
    try:
        import psutil
    except ModuleNotFoundError:
        _log.warning("Telemetry is configured and psutil is not installed: pip install 'flowcept-service[telemetry]'")
        return None
    return TelemetryCapture(settings, psutil)


class TelemetryCapture:
    """Takes snapshots.

    Args:
        settings: Which parts.
        psutil: The package, or what stands for it.
    """

    def __init__(self, settings: TelemetrySettings, psutil: ModuleType) -> None:
        self._psutil: Any = psutil
        self.describes_machine = settings.machine_info
        """Whether the workflow shall carry a description of the machine."""
        wanted: list[tuple[bool, str, Callable[[], dict[str, Any]]]] = [
            (settings.cpu or settings.per_cpu, "cpu", lambda: self._cpu(settings.cpu, settings.per_cpu)),
            (settings.mem, "memory", self._memory),
            (settings.disk, "disk", self._disk),
            (settings.network, "network", self._network),
            (settings.process_info, "process", self._process),
        ]
        self._parts = [(name, take) for is_wanted, name, take in wanted if is_wanted]

    def snapshot(self) -> dict[str, PlainValue] | None:
        """The state now; None when no part is wanted for tasks. A part that the system refuses is left out."""
        found = {}
        for name, take in self._parts:
            part = self._taken(name, take)
            if part is not None:
                found[name] = part
        return found or None

    def machine_info(self) -> dict[str, PlainValue]:
        """A description of the machine."""
        info: dict[str, Callable[[], object]] = {
            "platform": lambda: dict(platform.uname()._asdict()),
            "cpu": lambda: {
                "count": self._psutil.cpu_count(),
                "physical": self._psutil.cpu_count(logical=False),
                "model": platform.processor() or platform.machine(),
            },
            "memory": self._memory,
            "disk": lambda: self._psutil.disk_usage("/")._asdict(),
            "network": lambda: {
                name: [address.address for address in addresses]
                for name, addresses in self._psutil.net_if_addrs().items()
            },
        }
        found = {name: self._taken(name, take) for name, take in info.items()} | dict(host_facts())
        return {name: value for name, value in found.items() if value is not None}

    def _taken(self, name: str, take: Callable[[], object]) -> PlainValue:
        try:
            return plain(take())
        except (self._psutil.Error, OSError, AttributeError, NotImplementedError):
            # Containers and other systems hide parts of the machine; the task is captured without them.
            _log.debug("No telemetry of %s", name, exc_info=True)
            return None

    def _cpu(self, total: bool, each: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if total:
            frequency = self._psutil.cpu_freq()
            found["times_avg"] = self._psutil.cpu_times()._asdict()
            found["percent_all"] = self._psutil.cpu_percent()
            found["frequency"] = None if frequency is None else frequency.current
        if each:
            found["times_per_cpu"] = [times._asdict() for times in self._psutil.cpu_times(percpu=True)]
            found["percent_per_cpu"] = self._psutil.cpu_percent(percpu=True)
        return found

    def _memory(self) -> dict[str, Any]:
        return {"virtual": self._psutil.virtual_memory()._asdict(), "swap": self._psutil.swap_memory()._asdict()}

    def _disk(self) -> dict[str, Any]:
        found: dict[str, Any] = {"disk_usage": self._psutil.disk_usage("/")._asdict()}
        total = self._psutil.disk_io_counters()
        if total is not None:
            found["io_sum"] = total._asdict()
            each = self._psutil.disk_io_counters(perdisk=True)
            if len(each) > 1:
                found["io_per_disk"] = {name: counters._asdict() for name, counters in each.items()}
        return found

    def _network(self) -> dict[str, Any]:
        each: Mapping[str, Any] = self._psutil.net_io_counters(pernic=True)
        return {
            "netio_sum": self._psutil.net_io_counters()._asdict(),
            "netio_per_interface": {
                name: counters._asdict()
                for name, counters in each.items()
                if counters.bytes_sent or counters.bytes_recv
            },
        }

    def _process(self) -> dict[str, Any]:
        process = self._psutil.Process(os.getpid())
        with process.oneshot():
            return {
                "pid": process.pid,
                "cpu_number": process.cpu_num(),
                "memory": process.memory_info()._asdict(),
                "memory_percent": process.memory_percent(),
                "cpu_times": process.cpu_times()._asdict(),
                "cpu_percent": process.cpu_percent(),
                "executable": process.exe(),
                "cmd_line": process.cmdline(),
                "num_open_file_descriptors": process.num_fds(),
                "io_counters": process.io_counters()._asdict(),
                "num_threads": process.num_threads(),
                "num_ctx_switches": process.num_ctx_switches()._asdict(),
            }
