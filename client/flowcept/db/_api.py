"""``DBAPI``: everything behind ``Flowcept.db``."""

from __future__ import annotations

from flowcept.db._models import ModelMethods
from flowcept.db._records import RecordMethods
from flowcept.errors import DeadlineError, UnavailableError


class DBAPI(ModelMethods, RecordMethods):
    """The service, as Python calls: blobs with versions, models and datasets, queries.

    One instance is meant to be shared: it is thread-safe and holds one connection, which is opened on first use.
    ``Flowcept.db`` is such an instance; make your own to talk to another service::

        with DBAPI(ClientSettings.load(target="dns:///flowcept.cluster-b:50051")) as db:
            db.get_blob_object("checkpoint").save_to("checkpoint.pt")
    """

    def liveness_test(self) -> bool:
        """Whether the service answers and is ready."""
        try:
            return self.connection.is_serving()
        except (UnavailableError, DeadlineError):
            return False
