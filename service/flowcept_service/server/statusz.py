"""The status page: the same as the command ``status`` shows, for a browser. Read-only, and without scripts.

Everybody who reaches it sees counts. What users have named (records, objects, consumers) and what the store says of its
troubles is for administrators, who send their token; and for all where nobody has to say who they are, and the page is
reached from this machine alone or the service was said to be protected otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from http import HTTPStatus
from typing import Any, Final

from flowcept.errors import FlowceptError
from flowcept_service.domain.principals import Principal, Scope
from flowcept_service.server.http import Page, Request

_STYLE: Final = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1f24 }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #d8dee4; vertical-align: top }
th { font-weight: 600; white-space: nowrap } .pairs th { width: 12rem } td { overflow-wrap: break-word }
td.id, td.consumer { overflow-wrap: anywhere } td.commit_time { white-space: nowrap }
.good { color: #116329 } .bad { color: #a40e26 }
"""
_HEADERS: Final = {
    # Nothing is loaded and nothing runs, whatever the page may have come to contain.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")

Authenticate = Callable[[str], Principal]
"""From a token to whoever it speaks for; raises a FlowceptError when it speaks for nobody."""


class StatusPage:
    """Makes the page.

    Args:
        snapshot: What it shows.
        authenticate: Checks tokens; None where there are none.
        open_to_anybody: Whether everybody may see everything.
    """

    def __init__(
        self, snapshot: Callable[[], Mapping[str, Any]], authenticate: Authenticate | None, *, open_to_anybody: bool
    ) -> None:
        self._snapshot = snapshot
        self._authenticate = authenticate
        self._open = open_to_anybody

    def __call__(self, request: Request) -> Page:
        """The page of now."""
        try:
            shows_names = self._open or _is_administrator(self._authenticate, request.authorization)
        except FlowceptError as error:
            headers = {"WWW-Authenticate": 'Bearer realm="flowcept"'}
            return Page(HTTPStatus.UNAUTHORIZED, f"{error.message}\n".encode(), headers=headers)
        body = render(self._snapshot(), shows_names=shows_names)
        return Page(HTTPStatus.OK, body.encode(), "text/html; charset=utf-8", _HEADERS)


def _is_administrator(authenticate: Authenticate | None, authorization: str) -> bool:
    """Whether a request shows that it comes from one; without credentials it does not."""
    if authenticate is None or not authorization:
        return False
    scheme, _, token = authorization.partition(" ")
    principal = authenticate(token.strip() if scheme.lower() == "bearer" else "")
    return principal.has(Scope.ADMIN) and principal.campaigns is None


def render(status: Mapping[str, Any], *, shows_names: bool) -> str:
    """The page as HTML; everything in it is escaped.

    Args:
        status: See ``StatusBoard.snapshot``.
        shows_names: Whether to show what users have named, and the store's own words.
    """
    state = "ready" if status["ready"] else f"not ready: {status['problem']}"
    parts = [
        _pairs(
            "Service",
            {
                "version": status["version"],
                "address": status["address"],
                "started": status["started_at"],
                "store": status["store"],
                "calls under way": _calls(status["calls"]),
            },
        ),
        *_store(status, shows_names=shows_names),
        *_replica(status["replica"], shows_names=shows_names),
        _janitor(status["janitor"], shows_names=shows_names),
    ]
    if shows_names:
        parts.append(_table("Last events", ("sequence", "kind", "action", "id", "commit_time"), status["last_events"]))
    else:
        parts.append("<p>Names are shown to administrators who send <code>Authorization: Bearer TOKEN</code>.</p>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>flowcept-service</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="10">'
        f"<style>{_STYLE}</style></head><body>\n<h1>flowcept-service is "
        f'<span class="{"good" if status["ready"] else "bad"}">{escape(state)}</span></h1>\n'
        f"{''.join(parts)}<p>As of {escape(status['updated_at'])}.</p>\n</body></html>\n"
    )


def _store(status: Mapping[str, Any], *, shows_names: bool) -> Iterable[str]:
    log, staged, consumers = status["log"], status["staged"], status["consumers"]
    if status["store_problem"]:
        said = status["store_problem"] if shows_names else "it does not answer; below is what it said last"
        yield _pairs("Store", {"problem": said})
    if log is None:
        return
    free = status["free_disk_bytes"]
    yield _pairs(
        "Log and data",
        {
            "last sequence": f"{log['last']:,}",
            "oldest sequence": f"{log['oldest']:,}",
            "size of the log": _bytes(log["size_bytes"]),
            **{
                f"database {one['name']}": f"{_bytes(one['used_bytes'])} used of {_bytes(one['file_bytes'])} on disk"
                for one in status["databases"]
            },
            "free disk": "unknown" if free is None else _bytes(free),
            "staged uploads": f"{staged['uploads']:,}, {_bytes(staged['bytes'])}",
            "durable consumers": f"{consumers['count']:,}",
        },
    )
    if shows_names and consumers["slowest"]:
        yield _table("Slowest consumers", ("consumer", "position", "lag_events"), consumers["slowest"])


def _replica(replica: Mapping[str, Any] | None, *, shows_names: bool) -> Iterable[str]:
    if replica is None:
        return
    lag = replica["lag_events"]
    shown = {
        "phase": replica["phase"],
        "lag": "unknown" if lag is None else f"{lag:,} events, level {replica['behind_seconds']:,.1f} s ago",
        "damaged payloads": f"{replica['damaged_payloads']:,}",
    }
    if shows_names and replica["error"]:
        shown["error"] = replica["error"]
    yield _pairs("Second store", shown)


def _janitor(janitor: Mapping[str, Any], *, shows_names: bool) -> str:
    removed = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in janitor["removed"].items())
    shown = {
        "sweeps": f"{janitor['runs']:,}, of which {janitor['failures']:,} failed",
        "last success": janitor["succeeded_at"] or "none yet",
        "removed": removed,
    }
    if shows_names and janitor["problem"]:
        shown["problem"] = janitor["problem"]
    return _pairs("Sweeping", shown)


def _pairs(title: str, pairs: Mapping[str, object]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>\n" for name, value in pairs.items())
    return f'<h2>{escape(title)}</h2>\n<table class="pairs">\n{rows}</table>\n'


def _table(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    head = "".join(f"<th>{escape(column.replace('_', ' '))}</th>" for column in columns)
    lines = "".join(
        "<tr>" + "".join(f'<td class="{column}">{escape(str(row[column]))}</td>' for column in columns) + "</tr>\n"
        for row in rows
    )
    return f"<h2>{escape(title)}</h2>\n<table>\n<tr>{head}</tr>\n{lines}</table>\n"


def _calls(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {method.rpartition('/')[2]}" for method, count in sorted(calls.items())) or "none"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} {_UNITS[-1]}"
