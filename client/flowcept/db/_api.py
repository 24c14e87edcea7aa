"""``DBAPI``: everything behind ``Flowcept.db``."""

from __future__ import annotations

from typing import Any, Self

from flowcept.config import ClientSettings
from flowcept.db._dumps import DumpMethods
from flowcept.db._events import EventMethods
from flowcept.db._models import ModelMethods
from flowcept.db._records import RecordMethods
from flowcept.db._summaries import SummaryMethods
from flowcept.db._task_trees import TaskTreeMethods
from flowcept.errors import DeadlineError, UnavailableError


class DBAPI(ModelMethods, RecordMethods, DumpMethods, TaskTreeMethods, SummaryMethods, EventMethods):
    """The service, as Python calls: blobs with versions, models and datasets, records, queries, events.

    One instance is meant to be shared: it is thread-safe and holds one connection, which is opened on first use.
    ``Flowcept.db`` is such an instance; make your own to talk to another service::

        with DBAPI.connect("dns:///flowcept.cluster-b:50051") as db:
            db.get_blob_object("checkpoint").save_to("checkpoint.pt")
    """

    @classmethod
    def connect(cls, target: str | None = None, **settings: Any) -> Self:
        """One for another service, with the settings of this program otherwise. Connects on first use.

        Args:
            target: Address of the service; the configured one when not given.
            **settings: Other settings by name (``timeout=5``, ``tls={"enabled": True}``), as ``ClientSettings.load``.

        Raises:
            InvalidArgumentError: A setting is not valid.
        """
        return cls(ClientSettings.load(target=target, **settings))

    def liveness_test(self) -> bool:
        """Whether the service answers and is ready."""
        try:
            return self.connection.is_serving()
        except (UnavailableError, DeadlineError):
            return False
