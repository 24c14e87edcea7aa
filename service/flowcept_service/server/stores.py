"""Opening stores: the one or two that a service uses, and those that the command line names."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flowcept.config_values import Secret
from flowcept.errors import InvalidArgumentError, NotFoundError, Reason, shorten
from flowcept_service.config import ServiceSettings
from flowcept_service.domain.retention import Retention
from flowcept_service.events.codec import ProtobufEventEncoder, ProtobufEventReader
from flowcept_service.replication.follower import Follower, FollowerSettings
from flowcept_service.replication.state import check_complete
from flowcept_service.storage.contract import Storage
from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage
from flowcept_service.storage.lmdb.offline import refuse_backup
from flowcept_service.storage.memory import MemorySettings, MemoryStorage
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from flowcept_service.storage.observer import StoreObserver
from flowcept_service.storage.replica import ReplicableStorage

NO_DATABASE: Final = "none"
_LMDB_PREFIX: Final = "lmdb:"
_MONGODB_PREFIXES: Final = ("mongodb://", "mongodb+srv://")


def open_stores(
    settings: ServiceSettings, retention: Retention, observer: StoreObserver
) -> tuple[Storage, Follower | None]:
    """The store that a service answers from; and, not started yet, what keeps a second one its copy.

    Args:
        settings: Which stores.
        retention: What the second one keeps, as the first.
        observer: Told what the first one commits.

    Raises:
        PreconditionError: STORAGE_IN_USE; STORAGE_INCOMPATIBLE, also for a copy that was never finished.
        UnavailableError: STORAGE_UNAVAILABLE, of the first store; the second is opened when it can be.
        InvalidArgumentError: A setting that a store needs is missing.
    """
    if settings.stores == (NO_DATABASE,):
        return MemoryStorage(MemorySettings(settings.memory_log_bytes), ProtobufEventEncoder(), now, observer), None
    openers = _openers(settings)
    first, *others = settings.stores
    storage = openers[first](observer)
    try:
        check_complete(storage.replica, f"the store {first}")
    except BaseException:
        storage.close()
        raise
    if not others:
        return storage, None
    follower = Follower(
        storage,
        lambda: openers[others[0]](None),
        reader=ProtobufEventReader(),
        settings=FollowerSettings(retention, settings.retention.sweep_seconds),
        clock=now,
        monotonic=time.monotonic,
    )
    return storage, follower


def _openers(settings: ServiceSettings) -> Mapping[str, Callable[[StoreObserver | None], ReplicableStorage]]:
    interval, size = settings.inserter.flush_interval, settings.inserter.flush_size
    embedded = LmdbSettings(settings.data_dir, flush_interval=interval, flush_size=size)
    openers: dict[str, Callable[[StoreObserver | None], ReplicableStorage]] = {
        "lmdb": lambda observer: _serve_lmdb(embedded, observer),
    }
    if "mongodb" in settings.stores:
        if settings.mongodb_uri is None:
            raise InvalidArgumentError(
                "the store mongodb needs a connection string; give --mongodb-uri, or set FLOWCEPT_SERVICE_MONGODB_URI",
                field="mongodb_uri",
            )
        options = MongodbSettings(settings.mongodb_uri.reveal(), flush_interval=interval, flush_size=size)
        openers["mongodb"] = lambda observer: _open_mongodb(options, observer)
    return openers


def _serve_lmdb(options: LmdbSettings, observer: StoreObserver | None) -> LmdbStorage:
    refuse_backup(options.directory)
    return _open_lmdb(options, observer)


def _open_lmdb(options: LmdbSettings, observer: StoreObserver | None = None) -> LmdbStorage:
    return LmdbStorage(options, ProtobufEventEncoder(), now, observer=observer)


def _open_mongodb(options: MongodbSettings, observer: StoreObserver | None = None) -> MongodbStorage:
    return MongodbStorage(options, ProtobufEventEncoder(), now, observer=observer)


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store, as the command line names it."""

    directory: Path | None
    """Of an embedded store."""
    uri: Secret | None
    """Of a MongoDB replica set."""

    @classmethod
    def parse(cls, field: str, text: str) -> StoreAddress:
        """Read ``lmdb:DIR`` or ``mongodb://...``.

        Raises:
            InvalidArgumentError: It is neither.
        """
        if text.startswith(_LMDB_PREFIX) and len(text) > len(_LMDB_PREFIX):
            return cls(Path(text.removeprefix(_LMDB_PREFIX)).expanduser(), None)
        if text.startswith(_MONGODB_PREFIXES):
            return cls(None, Secret(text))
        # A mistyped connection string may hold a password, so what looks like one is not repeated.
        shown = "what was given" if "@" in text else shorten(text)
        raise InvalidArgumentError(
            f"{field} must be lmdb:DIR or mongodb://HOST/DATABASE?replicaSet=NAME, not {shown}", field=field
        )

    @property
    def name(self) -> str:
        """The address for people: without credentials."""
        if self.uri is not None:
            return MongodbSettings(self.uri.reveal()).safe_uri
        return f"{_LMDB_PREFIX}{self.directory}"

    def is_same(self, other: StoreAddress) -> bool:
        """Whether both name one place, as far as the addresses tell."""
        if self.directory is None or other.directory is None:
            return self == other
        return self.directory.resolve() == other.directory.resolve()

    def open(self, *, must_exist: bool) -> ReplicableStorage:
        """Open the store.

        Args:
            must_exist: Whether an embedded store must be there already, instead of being made.

        Raises:
            NotFoundError: There is no such embedded store.
            PreconditionError, UnavailableError: As ``open_stores``.
        """
        if self.uri is not None:
            return _open_mongodb(MongodbSettings(self.uri.reveal()))
        if self.directory is None:
            raise InvalidArgumentError("the address names no store", field="address")
        if must_exist and not (self.directory / "records" / "data.mdb").is_file():
            raise NotFoundError(
                f"there is no embedded store in {self.directory}; give the data directory of a service",
                reason=Reason.OBJECT_NOT_FOUND,
                directory=self.directory,
            )
        return _open_lmdb(LmdbSettings(self.directory))


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)
