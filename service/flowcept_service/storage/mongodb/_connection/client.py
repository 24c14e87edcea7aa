"""The connection: made with the guarantees that the store needs, to a server that can give them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, PyMongoError, ServerSelectionTimeoutError
from pymongo.uri_parser import parse_uri

from flowcept.errors import FlowceptError, InvalidArgumentError, PreconditionError, Reason
from flowcept_service.storage.mongodb._connection.errors import ErrorTranslator
from flowcept_service.storage.mongodb._connection.settings import MongodbSettings

Client = MongoClient[dict[str, Any]]

_SCHEMES: Final = ("mongodb://", "mongodb+srv://")
OLDEST_VERSION: Final = (6, 0)
_PROBE_MS: Final = 1000
_STANDALONE_REMEDY: Final = (
    "restart mongod with --replSet rs0, then run `mongosh --eval 'rs.initiate()'` once; one node is enough. Then "
    "connect with ?replicaSet=rs0 in the URI"
)


def connect(settings: MongodbSettings, errors: ErrorTranslator) -> Client:
    """A client of a replica set that this store can use.

    Raises:
        InvalidArgumentError: The connection string is none.
        PreconditionError: STORAGE_INCOMPATIBLE, for a standalone server, a sharded cluster, and one that is too old.
        UnavailableError: STORAGE_UNAVAILABLE.
    """
    client = _open(settings, errors)
    try:
        _check(client, settings, errors)
    except BaseException:
        client.close()
        raise
    return client


def _open(settings: MongodbSettings, errors: ErrorTranslator) -> Client:
    if not settings.uri.startswith(_SCHEMES):
        raise _malformed(settings, "a connection string begins with mongodb:// or mongodb+srv://")
    given = {name.lower() for name, _ in parse_qsl(settings.uri.partition("?")[2], keep_blank_values=True)}
    milliseconds = int(settings.connect_seconds * 1000)
    defaults: dict[str, Any] = {
        "serverSelectionTimeoutMS": milliseconds,
        "connectTimeoutMS": milliseconds,
        "waitQueueTimeoutMS": milliseconds,
        "wTimeoutMS": int(settings.write_seconds * 1000),
        "maxPoolSize": 256,
        "appname": "flowcept-service",
    }
    try:
        return MongoClient(
            settings.uri,
            # What was acknowledged is never lost, and what was seen never vanishes.
            w="majority",
            readConcernLevel="majority",
            readPreference="primary",
            retryWrites=True,
            retryReads=True,
            **{name: value for name, value in defaults.items() if name.lower() not in given},
        )
    except (PyMongoError, ValueError, TypeError) as error:
        raise _malformed(settings, errors.clean(error)) from None


def _check(client: Client, settings: MongodbSettings, errors: ErrorTranslator) -> None:
    try:
        hello = client.admin.command("hello")
        version = client.admin.command("buildInfo")["version"]
    except ServerSelectionTimeoutError as error:
        raise _explanation(settings, errors) or errors.translate(error) from None
    except ConfigurationError as error:
        raise _unusable(settings, errors.clean(error)) from None
    except PyMongoError as error:
        raise errors.translate(error) from None
    problem = _no_replica_set(hello)
    if problem:
        raise _unusable(settings, problem)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        raise _unusable(settings, f"it is MongoDB {version}, and 6.0 or newer is needed: upgrade it")


def _explanation(settings: MongodbSettings, errors: ErrorTranslator) -> FlowceptError | None:
    """Why no primary was found, if one of the servers answers and says so."""
    # Not from the client's view of the set: it forgets servers that do not belong to it.
    for host, port in parse_uri(settings.uri)["nodelist"]:
        try:
            with MongoClient[dict[str, Any]](
                host, port, directConnection=True, serverSelectionTimeoutMS=_PROBE_MS, connectTimeoutMS=_PROBE_MS
            ) as probe:
                problem = _no_replica_set(probe.admin.command("hello"))
        except PyMongoError:
            continue  # this one does not answer either
        if problem:
            return _unusable(settings, errors.clean(problem))
    return None


def _no_replica_set(hello: dict[str, Any]) -> str:
    """What is wrong with a server's answer; empty when it is a member of a replica set."""
    if hello.get("setName"):
        return ""
    if hello.get("msg") == "isdbgrid":
        return "it is a sharded cluster, which this store was not tested with; use a replica set"
    if hello.get("isreplicaset"):
        return "its replica set was not initiated: run `mongosh --eval 'rs.initiate()'` once"
    return f"it is a standalone server, and transactions need a replica set: {_STANDALONE_REMEDY}"


def _malformed(settings: MongodbSettings, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"MongoDB at {settings.safe_uri} cannot be used: {problem}; a connection string is, for example, "
        "mongodb://localhost/flowcept?replicaSet=rs0",
        field="mongodb_uri",
    )


def _unusable(settings: MongodbSettings, problem: str) -> PreconditionError:
    return PreconditionError(
        f"MongoDB at {settings.safe_uri} cannot be used: {problem}",
        reason=Reason.STORAGE_INCOMPATIBLE,
        uri=settings.safe_uri,
    )
