"""Copying one store into another, and comparing them, outside of a service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from flowcept.errors import InvalidArgumentError
from flowcept_service.domain.records import Collection
from flowcept_service.events.codec import ProtobufEventReader
from flowcept_service.replication.payloads import InterruptedCopyError
from flowcept_service.replication.progress import Meter, Progress
from flowcept_service.replication.replication import Replication
from flowcept_service.replication.verify import Difference, Verification
from flowcept_service.server.stores import StoreAddress, now

DIFFERENCES_SHOWN: Final = 100
"""Differences that a report lists; the rest are counted."""


@dataclass(slots=True)
class VerifyReport:
    """What a verification has found, so far."""

    checked: Counter[str] = field(default_factory=Counter)
    """Items compared, by where they are."""
    payload_bytes: int = 0
    different: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    """The first ones."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the source holds, for a progress bar."""

    rows: int
    last_sequence: int


class Transfer:
    """One transfer: both stores are open while it is entered.

    Args:
        source: What is copied.
        target: What becomes its copy.
        replace: Give up what only the target has.

    Raises:
        InvalidArgumentError: Source and target are the same.
        NotFoundError: The source is not there.
        PreconditionError: A store is in use, cannot be read, or the target holds data of its own.
        UnavailableError: A store cannot be reached.
    """

    def __init__(self, source: StoreAddress, target: StoreAddress, *, replace: bool) -> None:
        self.meter = Meter()
        self.report: VerifyReport | None = None
        self._stopping = Event()
        if source.is_same(target):
            raise InvalidArgumentError(
                f"--from and --to are the same store, {source.name}; a copy needs a place of its own", field="--to"
            )
        with ExitStack() as opened:
            self._source = source.open(must_exist=True)
            opened.callback(self._source.close)
            self._target = target.open(must_exist=False)
            opened.callback(self._target.close)
            self._replication = Replication(
                self._source,
                self._target,
                ProtobufEventReader(),
                now,
                self._stopping.is_set,
                meter=self.meter,
                replace_target=replace,
            )
            opened.callback(self._replication.close)
            self._opened = opened.pop_all()

    def stop(self) -> None:
        """End soon; the next transfer goes on from there."""
        self._stopping.set()

    def close(self) -> None:
        """Close both stores."""
        self._opened.close()

    def totals(self) -> Totals:
        """What there is to copy."""
        rows = sum(self._source.records.count(collection) for collection in Collection)
        return Totals(rows, self._source.events.bounds().last)

    def copy(self) -> bool:
        """Copy what the target does not have yet; whether everything was."""
        try:
            while not self._stopping.is_set():
                if not self._replication.step():
                    return True
        except InterruptedCopyError:
            return False
        return False

    def verify(self) -> bool:
        """Compare both; ``report`` says what was found. Whether everything was compared."""
        report = self.report = VerifyReport()
        for checked in Verification(self._source, self._target, self._stopping.is_set).run():
            report.checked[checked.where] += 1
            report.payload_bytes += checked.size
            if checked.difference is not None:
                report.different[checked.where] += 1
                if len(report.differences) < DIFFERENCES_SHOWN:
                    report.differences.append(checked.difference)
        return not self._stopping.is_set()

    def progress(self) -> Progress:
        """What was copied so far."""
        return self.meter.read()

    def held(self) -> Mapping[str, int]:
        """How much the target holds."""
        rows = {collection.value: self._target.records.count(collection) for collection in Collection}
        return {**rows, "last_sequence": self._target.events.bounds().last}
