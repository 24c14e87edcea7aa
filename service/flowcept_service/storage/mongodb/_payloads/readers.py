"""Which payloads are being read, in this process and in others, so that no reader is cut off.

Within a process, a reader holds its payload. Every process reports what its readers hold, at intervals; a payload that
was let go of stays for a grace period that is longer than the interval. So whoever removes it has heard of every reader
that began in time, and a download costs no round trip for being known.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from flowcept_service.periodic import Periodic
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import READERS
from flowcept_service.storage.pins import Pins

_REPORTS_KEPT: Final = 4
"""Intervals after which a process that stopped reporting is taken for dead."""

_log = structlog.get_logger(__name__)


class ReaderReports:
    """Reports the payloads that this process reads, until it is closed.

    Args:
        database: Where to.
        pins: What is held in this process.
        clock: The time.
        interval: Seconds between reports.
    """

    def __init__(self, database: Database, pins: Pins, clock: Callable[[], datetime], interval: float) -> None:
        self._database = database
        self._pins = pins
        self._clock = clock
        self._interval = interval
        self._id = ObjectId()
        self._reported = False
        self._reports = Periodic("mongodb-readers", self._report_or_warn, lambda: interval)
        self._reports.start()

    def report(self) -> None:
        """Tell the other processes what is held now."""
        held = self._pins.held()
        if not held and not self._reported:
            return
        expires = self._clock() + timedelta(seconds=self._interval * _REPORTS_KEPT)
        rows = self._database.collection(READERS)
        if held:
            rows.replace_one({"_id": self._id}, {"payload_ids": held, "expires": expires}, upsert=True)
        else:
            rows.delete_one({"_id": self._id})
        self._reported = bool(held)

    def held_anywhere(self, now: datetime) -> set[ObjectId]:
        """The payloads that some process holds; reports of dead ones are removed."""
        rows = self._database.collection(READERS)
        rows.delete_many({"expires": {"$lt": now}})
        return {payload_id for row in rows.find() for payload_id in row["payload_ids"]}

    def close(self) -> None:
        """Stop reporting. Calling it again does nothing."""
        self._reports.stop()

    def _report_or_warn(self) -> None:
        try:
            self.report()
        except PyMongoError as error:
            # Without the database there is no sweep either, so nothing is lost by trying again later.
            _log.warning("readers were not reported", error=self._database.errors.clean(error))
