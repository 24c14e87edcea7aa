"""A service that was put together: started, and drained in order."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
import structlog

from flowcept_service.affinity import Home
from flowcept_service.events.subscription import Subscriptions
from flowcept_service.replication.follower import Follower
from flowcept_service.rpc.draining import Admission
from flowcept_service.rpc.waiting import Waits
from flowcept_service.server.janitor import Janitor
from flowcept_service.server.listening import target_of
from flowcept_service.server.observation import Observation
from flowcept_service.server.pools import Pools
from flowcept_service.server.status import StatusBoard
from flowcept_service.storage.contract import Storage

_CANCELLED_SECONDS = 0.2
"""What calls that outlast the grace period get to notice that they were cancelled."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service that have a beginning and an end."""

    server: grpc.Server
    listen: str
    """The address that was asked for."""
    port: int
    """The port that was bound; 0 for a unix socket."""
    storage: Storage
    follower: Follower | None
    """What keeps a second store the copy of ``storage``."""
    janitor: Janitor
    observation: Observation
    status: StatusBoard
    admission: Admission
    waits: Waits
    subscriptions: Subscriptions
    pools: Pools
    home: Home

    @property
    def target(self) -> str:
        """The address for clients on this machine."""
        return target_of(self.listen, self.port)

    def start(self) -> None:
        """Begin to answer."""
        self.observation.start()
        self.home.start_here(self.server.start)
        self.home.start()
        self.waits.start()
        self.janitor.start()
        if self.follower is not None:
            self.follower.start()

    def stop(self, grace: float) -> bool:
        """Drain, then close the store. What clients had acknowledged is durable long before.

        Args:
            grace: Seconds that calls under way get to finish; what is left of them is cancelled, and uploads keep
                what has arrived.

        Returns:
            Whether everything has ended; a second store that hangs has not, and its threads would keep the process.
        """
        # Load balancers look elsewhere, subscribers reconnect elsewhere, and new calls are told to.
        self.observation.health.drain()
        self.admission.close()
        self.subscriptions.drain()
        if not self.admission.wait_idle(grace):
            _log.warning("calls outlast the grace period and are cancelled", calls=self.admission.active)
        self.server.stop(_CANCELLED_SECONDS).wait()
        self.waits.stop()
        self.home.stop()
        self.janitor.stop()
        self.observation.stop()
        self.pools.shutdown()
        ended = self.follower is None or self.follower.stop()
        self.storage.close()
        return ended
