"""Facts of the machine, the user and the code that a workflow runs."""

from __future__ import annotations

import getpass
import platform
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_GIT_SECONDS = 5.0


@cache
def host_facts() -> Mapping[str, str]:
    """``hostname``, ``node_name`` and ``login_name`` of this process; looked up once."""
    return MappingProxyType(
        {"hostname": socket.gethostname(), "node_name": platform.node(), "login_name": _login_name()}
    )


def code_repository(directory: Path) -> dict[str, str] | None:
    """The git repository that a directory belongs to; None when there is none, or no git.

    Returns:
        ``sha``, ``short_sha``, ``branch`` (``HEAD`` when detached), ``root``, ``remote`` when there is one, and
        ``dirty``: ``dirty`` or ``clean``.
    """
    sha, root = _git(directory, "rev-parse", "HEAD"), _git(directory, "rev-parse", "--show-toplevel")
    if sha is None or root is None:
        return None
    facts = {
        "sha": sha,
        "short_sha": sha[:8],
        "branch": _git(directory, "rev-parse", "--abbrev-ref", "HEAD") or "HEAD",
        "root": root,
        "dirty": "dirty" if _git(directory, "status", "--porcelain") else "clean",
    }
    remote = _git(directory, "remote", "get-url", "origin")
    return facts if remote is None else {**facts, "remote": _without_credentials(remote)}


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may run under a number that no user has


def _git(directory: Path, *arguments: str) -> str | None:
    """What git answers; None when it does not."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and arguments of our own
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - git is where the user has it
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # names of branches and directories may be anything
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _without_credentials(remote: str) -> str:
    """The address without user name and password, which have no place in a record."""
    scheme, separator, rest = remote.partition("://")
    if not separator or "@" not in rest.split("/")[0]:
        return remote
    return f"{scheme}://{rest.partition('@')[2]}"
