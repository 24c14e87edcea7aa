"""The principal of the call that a thread is working on."""

from __future__ import annotations

from contextvars import ContextVar

from flowcept_service.domain.principals import NOBODY, Principal

# A context variable belongs to a thread's context, not to the module: each call sets it at its beginning. In a thread
# that does not work on a call nobody calls, so that what asks there by mistake is refused, and not allowed everything.
_current: ContextVar[Principal] = ContextVar("principal", default=NOBODY)


def set_principal(principal: Principal) -> None:
    """Say who calls. Not reset at the end: the next call of this thread sets its own."""
    _current.set(principal)


def current_principal() -> Principal:
    """Who calls; for code that runs in the thread of the call."""
    return _current.get()
