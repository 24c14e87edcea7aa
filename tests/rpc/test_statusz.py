"""The status page: what it shows, to whom, and that nothing in it can run."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from html.parser import HTMLParser
from pathlib import Path

import grpc
import pytest
from playwright.sync_api import Browser

from flowcept.v1.provenance_service_pb2 import AcknowledgeRequest, PublishRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.server.service import Service
from tests.support.blobs import Blobs, pattern
from tests.support.chromium import find_chromium
from tests.support.metrics import fetch
from tests.support.provenance import task
from tests.support.security import entry, sending, token_of
from tests.support.server import service_in_process

NAME = "<script>document.title='run'</script>\"'&<img src=x onerror=\"document.title='run'\">"
"""An identifier that a user has chosen badly."""
LISTEN = {"http_listen": "127.0.0.1:0", "probe_seconds": 3600}


class Reader(HTMLParser):
    """The texts, elements and attributes of a page; an AssertionError where its elements do not match."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self._open.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"td", "th"}:
            self.cells[-1] += data

    def finish(self) -> None:
        self.close()
        assert not self._open


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.finish()
    return reader


def value(page: str, name: str) -> str:
    """What stands beside a name."""
    cells = read(page).cells
    return cells[cells.index(name) + 1]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with service_in_process(tmp_path / "data", observability=LISTEN) as service:
        yield service


@pytest.fixture
def filled(service: Service) -> Service:
    """With a few events, a consumer, a staged upload, and a bad name in each place where users choose names."""
    with grpc.insecure_channel(service.target) as channel:
        fill(channel)
    service.observation.probe.look()
    return service


def fill(channel: grpc.Channel) -> None:
    provenance = ProvenanceStub(channel)
    provenance.Publish(PublishRequest(messages=[task(f"t{n}") for n in range(20)]))
    provenance.Publish(PublishRequest(messages=[task(NAME)]))
    provenance.Acknowledge(AcknowledgeRequest(consumer=NAME, sequence=3))
    Blobs(channel).put(pattern(2000), "u1")


def test_the_page_shows_how_the_service_is(filled: Service) -> None:
    page = fetch(filled, "/statusz")
    filled.observation.probe.look()
    assert "<h1>flowcept-service is" in page
    assert value(page, "address") == filled.target
    assert value(page, "store") == "lmdb"
    assert value(page, "last sequence") == "22"
    assert value(page, "durable consumers") == "1"
    assert "used of" in value(page, "database records")
    assert value(page, "calls under way") == "none"


def test_the_last_events_and_the_slowest_consumer_are_named(filled: Service) -> None:
    cells = read(fetch(filled, "/statusz")).cells
    assert [cells[cells.index(NAME) + offset] for offset in (1, 2)] == ["3", "19"]
    events = [cells[at : at + 4] for at in range(len(cells)) if cells[at] in {"22", "21", "13"} and at > 20]
    assert events == [
        ["22", "object", "created", "object"],
        ["21", "task", "created", NAME],
        ["13", "task", "created", "t12"],
    ]


def test_what_users_have_named_is_text_and_nothing_else(filled: Service) -> None:
    page = fetch(filled, "/statusz")
    reader = read(page)
    assert NAME in reader.cells
    assert not reader.elements & {"script", "img", "iframe", "form", "link"}
    assert not {name for name in reader.attributes if name.startswith("on")}


def test_the_page_forbids_everything_that_could_run_or_load(filled: Service) -> None:
    _, headers, _ = ask(filled)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_draining_service_says_so(filled: Service) -> None:
    filled.observation.health.drain()
    assert "not ready: the service is shutting down" in fetch(filled, "/statusz")


def test_an_absent_store_leaves_what_was_known(filled: Service) -> None:
    filled.storage.close()
    filled.observation.probe.look()
    page = fetch(filled, "/statusz")
    assert "was closed" in value(page, "problem")
    assert value(page, "last sequence") == "22"


def test_a_page_of_a_service_without_events_is_whole(service: Service) -> None:
    assert value(fetch(service, "/statusz"), "last sequence") == "0"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Service]:
    tokens = tmp_path / "tokens.toml"
    confined = entry("confined", scopes=["admin"], campaigns=["one"])
    tokens.write_text(entry("boss", scopes=["admin"]) + entry("reader", scopes=["read"]) + confined)
    security = {"auth_tokens_file": tokens}
    with service_in_process(tmp_path / "data", observability=LISTEN, security=security) as service:
        with grpc.insecure_channel(service.target) as channel:
            fill(sending(channel, token_of("boss")))
        service.observation.probe.look()
        yield service


def ask(service: Service, authorization: str = "") -> tuple[int, Message, str]:
    http = service.observation.http
    assert http is not None
    request = urllib.request.Request(f"http://127.0.0.1:{http.port}/statusz")
    if authorization:
        request.add_header("Authorization", authorization)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


@pytest.mark.parametrize("authorization", ["", f"Bearer {token_of('reader')}", f"bearer {token_of('confined')}"])
def test_where_callers_are_authenticated_others_than_administrators_see_counts_alone(
    guarded: Service, authorization: str
) -> None:
    status, _, page = ask(guarded, authorization)
    assert (status, value(page, "last sequence")) == (200, "22")
    assert not {cell for cell in read(page).cells if "script" in cell or cell in {"t12", "object"}}


@pytest.mark.parametrize(
    ("http_listen", "insecure", "names"),
    [("127.0.0.1:0", False, True), ("0.0.0.0:0", False, False), ("0.0.0.0:0", True, True)],
)
def test_without_authentication_names_are_shown_where_the_service_itself_may_be_open(
    tmp_path: Path, http_listen: str, insecure: bool, names: bool
) -> None:
    given = {"observability": {"http_listen": http_listen}, "security": {"insecure": insecure}}
    with service_in_process(tmp_path / "data", **given) as service:
        with grpc.insecure_channel(service.target) as channel:
            fill(channel)
        assert (NAME in read(fetch(service, "/statusz")).cells) is names


def test_administrators_see_names(guarded: Service) -> None:
    _, _, page = ask(guarded, f"Bearer {token_of('boss')}")
    assert NAME in read(page).cells


@pytest.mark.parametrize("authorization", ["Bearer fcs_forged", "Bearer ", "Basic dXNlcjpwYXNz", "nonsense"])
def test_wrong_credentials_are_refused_and_not_repeated(guarded: Service, authorization: str) -> None:
    status, headers, body = ask(guarded, authorization)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="flowcept"')
    assert authorization.rsplit(maxsplit=1)[-1] not in body or not body


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with find_chromium().running() as browser:
        yield browser


def test_a_browser_shows_the_page_and_runs_nothing_of_it(filled: Service, browser: Browser) -> None:
    http = filled.observation.http
    assert http is not None
    problems: list[str] = []
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))

    page.goto(f"http://127.0.0.1:{http.port}/statusz")

    assert page.title() == "flowcept-service", "a script of somebody's name has set another title"
    assert page.get_by_role("heading", name="flowcept-service is").is_visible()
    assert NAME in page.locator("td").all_inner_texts()
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0, "the page is wider than the window"
    assert problems == []
