"""Which processes commit, so that the transaction of one that died does not hold the others up.

A transaction that its client has left stays open for a minute, and with it the log's counter stays taken. So every
process commits in one session of its own and says so; when the counter stays taken, whoever waits ends the sessions of
processes that have not been heard of for a while.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from flowcept_service.periodic import Periodic
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import WRITERS

_BEAT_SECONDS: Final = 1.5
_DEAD_MILLISECONDS: Final = 5000
"""Several beats; judged by the clock of the database, so that those of the replicas do not matter."""

_log = structlog.get_logger(__name__)


class Presence:
    """The session in which this process commits, and the sign that the process lives.

    Args:
        database: Where the others look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._id = ObjectId()
        self._suspected: dict[ObjectId, datetime] = {}
        with database.errors():
            self._session = database.client.start_session(causal_consistency=False)
            self._beat()
        self._beats = Periodic("mongodb-presence", self._beat_or_wait, lambda: _BEAT_SECONDS)
        self._beats.start()

    def session(self) -> ClientSession:
        """The session to commit in; one thread at a time uses it."""
        return self._session

    def end_dead_sessions(self) -> None:
        """End the transactions of processes that died. What fails is logged: the caller tries again anyway."""
        rows = self._database.collection(WRITERS)
        dead = {"$expr": {"$lt": ["$seen", {"$subtract": ["$$NOW", _DEAD_MILLISECONDS]}]}}
        try:
            suspects = list(rows.find(dead))
            # Asked again a beat later: after an outage of the database, nobody was heard of for a while.
            certain = [row for row in suspects if self._suspected.get(row["_id"]) == row["seen"]]
            self._suspected = {row["_id"]: row["seen"] for row in suspects}
            for row in certain:
                _log.warning("a process that commits is gone; its transaction is ended", process=str(row["_id"]))
                self._database.client.admin.command({"killSessions": [row["session"]]})
                rows.delete_one({"_id": row["_id"], "seen": row["seen"]})
        except PyMongoError as error:
            _log.warning("transactions of dead processes were not ended", error=self._database.errors.clean(error))

    def close(self) -> None:
        """End the session. Calling it again does nothing."""
        self._beats.stop()
        try:
            self._session.end_session()
            self._database.collection(WRITERS).delete_one({"_id": self._id})
        except PyMongoError as error:
            # Without the row the others would only wait a little longer, if at all.
            _log.debug("the end of a process was not announced", error=self._database.errors.clean(error))

    def _beat(self) -> None:
        session: dict[str, Any] = dict(self._session.session_id)
        self._database.collection(WRITERS).update_one(
            {"_id": self._id}, {"$set": {"session": session}, "$currentDate": {"seen": True}}, upsert=True
        )

    def _beat_or_wait(self) -> None:
        try:
            self._beat()
        except PyMongoError as error:
            _log.debug("no sign of life", error=self._database.errors.clean(error))
