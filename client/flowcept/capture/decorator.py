"""Decorators that capture every call of a function as a task."""

from __future__ import annotations

import argparse
import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, overload

from flowcept.capture.context import current_session
from flowcept.capture.task import FlowceptTask, error_text
from flowcept.plain import Plainer
from flowcept.vocabulary import Status

Function = TypeVar("Function", bound=Callable[..., Any])
ArgsHandler = Callable[..., Mapping[str, Any]]

# Arguments of the call that are not inputs: they say which record the task belongs to.
_CONTEXT_ARGUMENTS = ("workflow_id", "campaign_id", "agent_id", "source_agent_id")

_log = logging.getLogger(__name__)


def default_args_handler(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """Inputs from arguments without names: ``arg_0``, ``arg_1``; of a parsed command line, its options."""
    used: dict[str, Any] = {}
    for index, value in enumerate(args):
        if index == 0 and isinstance(value, argparse.Namespace):
            used |= vars(value)
        else:
            used[f"arg_{index}"] = value
    return used | kwargs


@overload
def flowcept_task(func: Function) -> Function: ...
@overload
def flowcept_task(
    func: None = None,
    *,
    args_handler: ArgsHandler | None = None,
    custom_metadata: dict[str, Any] | None = None,
    tags: list[str] | None = None,
    subtype: str | None = None,
    output_names: str | Sequence[str] | None = None,
    agent_id: str | None = None,
    source_agent_id: str | None = None,
    capture_telemetry: bool | None = None,
) -> Callable[[Function], Function]: ...
def flowcept_task(
    func: Function | None = None,
    *,
    args_handler: ArgsHandler | None = None,
    custom_metadata: dict[str, Any] | None = None,
    tags: list[str] | None = None,
    subtype: str | None = None,
    output_names: str | Sequence[str] | None = None,
    agent_id: str | None = None,
    source_agent_id: str | None = None,
    capture_telemetry: bool | None = None,
) -> Function | Callable[[Function], Function]:
    """Capture every call of a function as a task: its arguments as ``used``, its result as ``generated``.

    ::

        @flowcept_task(output_names=["loss", "accuracy"])
        def train(lr, epochs=3): ...

    For functions and coroutine functions. An exception makes the status ERROR, and goes on. Outside a run of
    ``Flowcept`` the function is called and nothing else happens.

    Args:
        func: The function.
        args_handler: Makes ``used`` of the arguments of a call; by default their names and values.
        custom_metadata: Kept with each task.
        tags: Labels of each task.
        subtype: Finer kind of each task.
        output_names: Names of the results: one, or one for each element of a tuple or list.
        agent_id: The agent that executes it.
        source_agent_id: The agent that asked for it.
        capture_telemetry: False takes no telemetry.
    """
    options = {
        "custom_metadata": custom_metadata,
        "tags": tags,
        "subtype": subtype,
        "agent_id": agent_id,
        "source_agent_id": source_agent_id,
        "capture_telemetry": capture_telemetry,
    }

    def decorate(function: Function) -> Function:
        return _wrapped(function, function.__name__, args_handler, output_names, options)

    return decorate if func is None else decorate(func)


def telemetry_flowcept_task(func: Function) -> Function:
    """As ``flowcept_task``; the activity is named with the class around the function (``Model.forward``)."""
    return _wrapped(func, func.__qualname__, None, None, {})


def lightweight_flowcept_task(func: Function) -> Function:
    """Capture every call with next to no cost: keyword arguments and result, no identifier, times or status."""

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        session = current_session()
        if session is not None:
            plainer = Plainer()
            message: dict[str, Any] = {
                "type": "task",
                "workflow_id": session.workflow_id,
                "campaign_id": session.campaign_id,
                "activity_id": func.__name__,
                "used": plainer.value(kwargs),
            }
            generated = _generated(result, None)
            if generated is not None:
                message["generated"] = plainer.value(generated)
            session.emit(message, plainer.weight)
        return result

    return cast(Function, call)


def _wrapped(
    function: Function,
    activity_id: str,
    args_handler: ArgsHandler | None,
    output_names: str | Sequence[str] | None,
    options: Mapping[str, Any],
) -> Function:
    used_of = _used_reader(function) if args_handler is None else args_handler

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> FlowceptTask:
        used = _used(used_of, args, kwargs)
        context = {name: used.pop(name) for name in _CONTEXT_ARGUMENTS if isinstance(used.get(name), str)}
        return FlowceptTask(activity_id=activity_id, used=used, **{**options, **context})

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            if current_session() is None:
                return await function(*args, **kwargs)
            with begin(args, kwargs) as task:
                result = await _failing_task(task, function(*args, **kwargs))
                task.end(generated=_generated(result, output_names))
            return result

        return cast(Function, call_async)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if current_session() is None:
            return function(*args, **kwargs)
        with begin(args, kwargs) as task:
            result = function(*args, **kwargs)
            task.end(generated=_generated(result, output_names))
        return result

    return cast(Function, call)


async def _failing_task(task: FlowceptTask, awaitable: Any) -> Any:
    """The result; a task that is cancelled ends as ERROR too, which ``with`` sees like any other exception."""
    try:
        return await awaitable
    except BaseException as error:
        task.end(stderr=error_text(error), status=Status.ERROR)
        raise


def _used_reader(function: Callable[..., Any]) -> ArgsHandler:
    """What gives the arguments of a call their names, defaults included."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return default_args_handler  # a builtin

    def read(*args: Any, **kwargs: Any) -> Mapping[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        used: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                used |= value
            elif kind is inspect.Parameter.VAR_POSITIONAL:
                used |= {f"arg_{index}": item for index, item in enumerate(value)}
            elif isinstance(value, argparse.Namespace):
                used |= vars(value)
            elif name != "self":
                used[name] = value
        return used

    return read


def _used(read: ArgsHandler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(read(*args, **kwargs))
    except TypeError:
        return default_args_handler(*args, **kwargs)  # wrong arguments: the call itself will say so
    except Exception:  # noqa: BLE001 - an args_handler of the user must not break the user's call
        _log.warning("The arguments of a captured call cannot be read", exc_info=True)
        return {}


def _generated(result: Any, output_names: str | Sequence[str] | None) -> dict[str, Any] | None:
    if result is None:
        return None
    if isinstance(output_names, str):
        return {output_names: result}
    if output_names:
        values = result if isinstance(result, tuple | list) else (result,)
        if len(values) == len(output_names):
            return dict(zip(output_names, values, strict=True))
    if isinstance(result, dict):
        return result
    if isinstance(result, tuple) and output_names:
        return {f"arg_{index}": value for index, value in enumerate(result)}
    return {"arg_0": result}
