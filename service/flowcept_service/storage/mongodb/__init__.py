"""The store for scale: MongoDB with GridFS, shared by any number of service replicas."""

from flowcept_service.storage.mongodb._connection.settings import MongodbSettings
from flowcept_service.storage.mongodb._store import MongodbStorage

__all__ = ["MongodbSettings", "MongodbStorage"]
