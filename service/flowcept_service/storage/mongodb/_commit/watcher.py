"""Learns of commits by other replicas: a change stream wakes, and polling takes its place while it is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Any, Final

import structlog
from pymongo.errors import PyMongoError

from flowcept_service.storage.mongodb._commit.horizon import Horizon
from flowcept_service.storage.mongodb._commit.unit import Position
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import EVENTS, LOG, LOG_ID

_AWAIT_MS: Final = 1000
"""How long the server holds a question for changes before it answers that there are none."""
_POLL_SECONDS: Final = 0.25
_PIPELINE: Final[Sequence[Mapping[str, Any]]] = [
    {"$match": {"operationType": "insert"}},
    # Not the events themselves, which may be megabytes.
    {"$project": {"fullDocument._id": 1, "fullDocument.commit": 1}},
]

_log = structlog.get_logger(__name__)


class Watcher:
    """Follows the log in a thread of its own, and moves the horizon.

    Args:
        database: Where the log is.
        horizon: How far it is known to go.
    """

    def __init__(self, database: Database, horizon: Horizon) -> None:
        self._database = database
        self._horizon = horizon
        self._closed = Event()
        with database.errors():
            self._catch_up()
        # Not joined: it may be waiting for the server, and ends by itself within a second.
        Thread(target=self._run, name="mongodb-watcher", daemon=True).start()

    def close(self) -> None:
        """Stop following. Calling it again does nothing."""
        self._closed.set()

    def _run(self) -> None:
        broken = False
        while not self._closed.is_set():
            try:
                if broken:
                    self._catch_up()
                self._follow()
            except PyMongoError as error:
                if not broken and not self._closed.is_set():
                    _log.warning("the change stream broke; polling", error=self._database.errors.clean(error))
                broken = True
                self._closed.wait(_POLL_SECONDS)

    def _follow(self) -> None:
        events = self._database.collection(EVENTS)
        with events.watch(_PIPELINE, max_await_time_ms=_AWAIT_MS) as stream:
            # What was committed before the stream began is not in it.
            self._catch_up()
            while not self._closed.is_set():
                change = stream.try_next()
                if change is not None:
                    block = change["fullDocument"]
                    self._horizon.reach(Position(block["commit"], block["_id"]))

    def _catch_up(self) -> None:
        counter = self._database.collection(LOG).find_one({"_id": LOG_ID})
        if counter is not None:
            self._horizon.reach(Position(counter["commits"], counter["last"]))
