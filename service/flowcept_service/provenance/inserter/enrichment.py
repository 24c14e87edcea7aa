"""Facts about the host of the service, for a service that runs on the host of its clients."""

from __future__ import annotations

import getpass
import platform
import socket

from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter.settings import Defaults


def host_defaults() -> Defaults:
    """Host and user of this process, under the names that Flowcept's own inserter gives them.

    Git facts are not among them: a service knows its own checkout, and not the code that a workflow ran.
    """
    user = _user()
    task = {"hostname": socket.gethostname(), "node_name": platform.node(), "login_name": user}
    workflow = {"sys_name": platform.system(), "user": user}
    return {
        Collection.TASKS: _known(task),
        Collection.WORKFLOWS: _known(workflow),
        Collection.AGENTS: _known({"user": user}),
    }


def _known(facts: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}


def _user() -> str:
    """The name of the user; empty when the process runs under a number that has none, as containers do."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # KeyError before Python 3.13
        return ""
