"""Python objects under a name, for the stages and workflows that come after.

::

    from flowcept.compute.object_store import delete, get, put

    put("my_dataframe", df)
    df = get("my_dataframe")
    put("my_dataframe", df, artifact_only=True)

An object goes to cluster memory, which is quick and ends with its cluster or machine, or, where that cannot keep it,
to an artifact, which the service keeps until it is deleted. ``artifact_only=True`` makes sure of the latter.

**Objects are pickled unless you choose otherwise, and getting one unpickles it, which runs code that it contains.**
Share a namespace only with those whom you trust, or keep plain values, with
``save_artifact_hook=default_save_hook("json")`` and ``load_artifact_hook=default_load_hook("json")``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import IO, Any, Final

from flowcept.compute.artifacts import (
    Artifact,
    artifact_exists,
    fill_artifact,
    get_artifact,
)
from flowcept.compute.cluster_memory import ClusterMemoryError, KeyNotFoundError, get_cluster_memory
from flowcept.compute.serializers import SERIALIZERS, JsonSerializer, PickleSerializer, Serializer
from flowcept.errors import InvalidArgumentError, PreconditionError, shorten

__all__ = [
    "JsonSerializer",
    "PickleSerializer",
    "Serializer",
    "Strategy",
    "default_load_hook",
    "default_save_hook",
    "delete",
    "exists",
    "get",
    "put",
]

SaveHook = Callable[[Artifact, Any], object]
LoadHook = Callable[[Artifact], Any]

_FILE: Final = "object"
_SERIALIZER: Final = "serializer"
_log = logging.getLogger(__name__)


class Strategy(StrEnum):
    """Where objects are kept."""

    FALLBACK = "fallback"
    """In cluster memory, or in an artifact where that cannot keep them."""
    ARTIFACT = "artifact"
    """In artifacts only."""
    CLUSTER_MEMORY = "cluster_memory"
    """In cluster memory only."""


def default_save_hook(serializer: str | Serializer = "pickle") -> SaveHook:
    """What writes an object into its artifact, as one file.

    Args:
        serializer: ``pickle``, ``json``, or any that has ``dump(value, file)`` and ``load(file)``.
    """
    name, chosen = _named(serializer)

    def save(artifact: Artifact, value: Any) -> None:
        with artifact.open(_FILE, "wb", attributes={_SERIALIZER: name}) as file:
            chosen.dump(value, file)

    return save


def default_load_hook(serializer: str | Serializer | None = None) -> LoadHook:
    """What reads an object from its artifact.

    Args:
        serializer: The one that it must have been written with; not given: ``pickle`` or ``json``, as it was written.
    """

    def load(artifact: Artifact) -> Any:
        def read(file: IO[bytes], attributes: Mapping[str, Any]) -> Any:
            written = attributes.get(_SERIALIZER)
            name, chosen = _named(written if serializer is None else serializer)
            if name != written:
                raise PreconditionError(
                    f"{artifact!r} was written with serializer {written!r}, and is to be read with {name!r}; pass the "
                    "same to default_load_hook()"
                )
            return chosen.load(file)

        return artifact.get_file(_FILE).load(read)

    return load


def put(
    key: str,
    value: Any,
    *,
    namespace: str = "default",
    artifact_only: bool = False,
    strategy: Strategy | str = Strategy.FALLBACK,
    executor: str | None = None,
    save_artifact_hook: SaveHook | None = None,
) -> None:
    """Keep an object under a name, instead of the one that is there.

    Args:
        key: Its name; what an artifact may be called, see ``new_artifact``.
        value: The object.
        namespace: What the name is unique within.
        artifact_only: The same as ``strategy="artifact"``.
        strategy: Where it is kept.
        executor: The cluster memory to use: ``ray``, ``dask`` or ``local``; see ``get_cluster_memory``.
        save_artifact_hook: Writes the object into its artifact, which may not be there yet: it is made when the hook
            has ended well. One that writes several files does so in ``artifact.transaction()``, lest it leave some of
            them when it fails. ``default_save_hook()`` when not given.

    Raises:
        InvalidArgumentError: An argument is wrong, or the object cannot be serialized.
        ClusterMemoryError: Only with ``strategy="cluster_memory"``: it cannot keep the object.
        FlowceptError: The service cannot keep the artifact.
    """
    chosen = _strategy(strategy, artifact_only=artifact_only)
    if chosen is not Strategy.ARTIFACT:
        try:
            get_cluster_memory(executor).put(key, value, namespace=namespace)
        except ClusterMemoryError as error:
            if chosen is Strategy.CLUSTER_MEMORY:
                raise
            _log.info("%s is kept as an artifact: %s", shorten(key), error)
            # Or the old object would be found before the new one.
            with suppress(KeyNotFoundError, ClusterMemoryError):
                get_cluster_memory(executor).delete(key, namespace=namespace)
        else:
            return
    with fill_artifact(key, namespace) as artifact:
        (save_artifact_hook or default_save_hook())(artifact, value)


def get(
    key: str,
    *,
    namespace: str = "default",
    artifact_only: bool = False,
    strategy: Strategy | str = Strategy.FALLBACK,
    executor: str | None = None,
    load_artifact_hook: LoadHook | None = None,
) -> Any:
    """The object under a name: from cluster memory, or else from its artifact. Arguments are those of ``put``.

    Args:
        key: Its name.
        namespace: What the name is unique within.
        artifact_only: The same as ``strategy="artifact"``.
        strategy: Where it is looked for.
        executor: The cluster memory to use.
        load_artifact_hook: Reads the object from its artifact; ``default_load_hook()`` when not given.

    Raises:
        KeyNotFoundError, ArtifactNotFoundError: There is none.
        InvalidArgumentError: An argument is wrong, or the object was written with a serializer that must be given.
    """
    chosen = _strategy(strategy, artifact_only=artifact_only)
    if chosen is not Strategy.ARTIFACT:
        try:
            return get_cluster_memory(executor).get(key, namespace=namespace)
        except (KeyNotFoundError, ClusterMemoryError):
            if chosen is Strategy.CLUSTER_MEMORY:
                raise
    return (load_artifact_hook or default_load_hook())(get_artifact(key, namespace))


def delete(
    key: str,
    *,
    namespace: str = "default",
    artifact_only: bool = False,
    strategy: Strategy | str = Strategy.FALLBACK,
    executor: str | None = None,
) -> None:
    """Delete the object that ``get`` would find with the same arguments.

    Raises:
        KeyNotFoundError, ArtifactNotFoundError: There is none.
    """
    chosen = _strategy(strategy, artifact_only=artifact_only)
    if chosen is not Strategy.ARTIFACT:
        try:
            get_cluster_memory(executor).delete(key, namespace=namespace)
        except (KeyNotFoundError, ClusterMemoryError):
            if chosen is Strategy.CLUSTER_MEMORY:
                raise
        else:
            return
    get_artifact(key, namespace).delete()


def exists(
    key: str,
    *,
    namespace: str = "default",
    artifact_only: bool = False,
    strategy: Strategy | str = Strategy.FALLBACK,
    executor: str | None = None,
) -> bool:
    """Whether ``get`` would find an object with the same arguments."""
    chosen = _strategy(strategy, artifact_only=artifact_only)
    if chosen is not Strategy.ARTIFACT:
        try:
            found = get_cluster_memory(executor).exists(key, namespace=namespace)
        except ClusterMemoryError:
            found = False
        if found or chosen is Strategy.CLUSTER_MEMORY:
            return found
    return artifact_exists(key, namespace)


def _strategy(strategy: Strategy | str, *, artifact_only: bool) -> Strategy:
    if artifact_only:
        return Strategy.ARTIFACT
    try:
        return Strategy(strategy)
    except ValueError:
        raise InvalidArgumentError(
            f"strategy is {shorten(strategy)}; use one of {', '.join(Strategy)}", field="strategy"
        ) from None


def _named(serializer: Any) -> tuple[str, Serializer]:
    """A serializer, and the name that it goes by in the artifact."""
    if isinstance(serializer, str):
        if serializer not in SERIALIZERS:
            raise InvalidArgumentError(
                f"serializer is {shorten(serializer)}; use one of {', '.join(SERIALIZERS)}, or pass the one that the "
                "object was written with",
                field="serializer",
            )
        return serializer, SERIALIZERS[serializer]
    return getattr(serializer, "__name__", type(serializer).__name__), serializer
