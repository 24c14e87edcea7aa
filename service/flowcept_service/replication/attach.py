"""Whether a store may become, or go on being, the copy of another: nothing that is only there may be lost by it."""

from __future__ import annotations

from flowcept.errors import InvalidArgumentError, OutOfRangeError, PreconditionError, Reason
from flowcept_service.domain.records import Collection
from flowcept_service.replication.state import CopyProgress, ReplicaState, Stage, read_state
from flowcept_service.storage.replica import ReplicableStorage

_REMEDY = "choose an empty store, or replace what it holds with `flowcept-service transfer --replace`"


def attach(source: ReplicableStorage, target: ReplicableStorage, *, replace: bool = False) -> ReplicaState:
    """The state from which copying goes on.

    A store that is empty, or an unfinished copy of this source, or whose log is the beginning of the source's, may be
    filled. Anything else holds what the source does not have.

    Args:
        source: The original.
        target: What is to be its copy.
        replace: Give up what only the target has.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE.
        InvalidArgumentError: Both are the same store.
    """
    identity = source.replica.identity()
    if identity == target.replica.identity():
        raise InvalidArgumentError("source and target are the same store; name two different ones", field="to")
    state = read_state(target.replica)
    if state is not None and state.copying is not None and (state.source == identity or replace):
        return state if state.source == identity else begin_copy(source, identity, 0, prune=True)
    if is_empty(target):
        return begin_copy(source, identity, 0, prune=False)
    position = target.events.bounds().last
    problem = _problem(source, target, state, identity)
    if problem and not replace:
        raise PreconditionError(f"{problem}; {_REMEDY}", reason=Reason.STORAGE_INCOMPATIBLE)
    if problem or position < source.events.bounds().oldest - 1:
        return begin_copy(source, identity, position, prune=True)
    return ReplicaState(identity, position)


def begin_copy(source: ReplicableStorage, identity: str, position: int, *, prune: bool) -> ReplicaState:
    """The state at the beginning of a copy."""
    start = source.events.bounds().last
    return ReplicaState(identity, position, CopyProgress(Stage.RESET, None, b"", start, 0, prune))


def is_empty(target: ReplicableStorage) -> bool:
    """Whether a store holds nothing, and never held anything."""
    if target.events.bounds().last:
        return False
    return not any(target.replica.rows(collection, b"", 1).rows for collection in Collection)


def _problem(source: ReplicableStorage, target: ReplicableStorage, state: ReplicaState | None, identity: str) -> str:
    """What the target holds that the source does not have; empty when nothing."""
    if state is not None and state.copying is not None:
        return "the target is an unfinished copy of another store"
    reached, last = target.events.bounds().last, source.events.bounds().last
    if reached > last:
        return f"the target has {reached} events, and the source only {last}: it was written to since it was copied"
    same = _same_event(source, target, reached)
    if same is False:
        return "the target holds data of its own: its events are not those of the source"
    if same is None and (state is None or (state.source, state.position) != (identity, reached)):
        # Too old to be compared, so only the note in the replica can tell.
        return "the target is not empty, and is no copy of the source"
    return ""


def _same_event(source: ReplicableStorage, target: ReplicableStorage, sequence: int) -> bool | None:
    """Whether both logs have the same block of events up to a sequence; None when they do not hold it any more.

    An event has the time of its commit and the whole document: where one is the same, all before it are.
    """
    try:
        ours = source.events.read(sequence - 1, 1)[0] if sequence else None
        theirs = target.events.read(sequence - 1, 1)[0] if sequence else None
    except OutOfRangeError:
        return None
    if ours is None or theirs is None:
        return None
    return ours == theirs
