"""What every part of ``Flowcept.db`` stands on: settings, and the connection."""

from __future__ import annotations

import getpass
import threading
import time
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Self

from flowcept.config import ClientSettings
from flowcept.transport import Connection


def _none() -> None:
    return None


@cache
def _login_name() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None  # a container's user without a name


class ServiceBound:
    """Holds the connection to the service: opened on first use, shared by all threads, opened anew after ``close``."""

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        current_workflow_id: Callable[[], str | None] = _none,
        current_campaign_id: Callable[[], str | None] = _none,
        connect: Callable[[ClientSettings], Connection] = Connection,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is read or connected yet.

        Args:
            settings: Settings; from environment and file, on first use, when not given.
            current_workflow_id: The workflow that what is saved belongs to, where the caller names none.
            current_campaign_id: Likewise its campaign.
            connect: Opens the connection.
            clock: Seconds since the epoch.
        """
        self._given_settings = settings
        self._current_workflow_id = current_workflow_id
        self._current_campaign_id = current_campaign_id
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._open_connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The connection.

        Raises:
            InvalidArgumentError: A setting is not valid.
        """
        with self._lock:
            if self._open_connection is None:
                self._open_connection = self._connect(self._given_settings or ClientSettings.load())
            return self._open_connection

    def close(self) -> None:
        """Close the connection. The next call opens another, with settings read anew unless they were given."""
        with self._lock:
            connection, self._open_connection = self._open_connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _author(self) -> str | None:
        """Who makes a change: the configured user, else the login name."""
        configured = self.connection.settings.user
        return _login_name() if configured is None else configured
