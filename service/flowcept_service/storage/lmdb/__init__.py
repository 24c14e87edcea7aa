"""The embedded store: LMDB, in a directory of the server's machine."""

from flowcept_service.storage.lmdb._environment.settings import LmdbSettings
from flowcept_service.storage.lmdb._store import LmdbStorage

__all__ = ["LmdbSettings", "LmdbStorage"]
