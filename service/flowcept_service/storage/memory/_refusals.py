"""What a service without a database refuses."""

from __future__ import annotations

from flowcept.errors import PreconditionError, Reason


def no_database(what: str) -> PreconditionError:
    """The error for a call that needs a database."""
    return PreconditionError(
        f"{what} need a database, and this service runs without one; start it with --store lmdb (embedded) or "
        "--store mongodb",
        reason=Reason.NO_DATABASE,
    )
