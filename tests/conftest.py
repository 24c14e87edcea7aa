"""What every test shares: where a MongoDB comes from, and that a missing component is never a silent skip in CI."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.support.mongod import URI_VARIABLE, Mongod, MongodMissingError

# No deadline for an example: machines are shared, and a hang is caught by the timeout of the test. The gate repeats the
# same examples, so that it judges the change and not its luck; every other run explores new ones.
settings.register_profile("explore", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("gate" if os.environ.get("CI") == "true" else "explore")


def pytest_configure() -> None:
    # Where tests run in the background, SIGINT is ignored, and the processes that they start and interrupt would
    # inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-components",
        action="store_true",
        default=os.environ.get("CI") == "true",
        help="a skipped test fails, unless it is marked may_skip (the default where CI=true)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure where components are required: what did not run was not tested."""
    report = yield
    expected = getattr(report, "wasxfail", None) is not None or item.get_closest_marker("may_skip") is not None
    if report.skipped and not expected and item.config.getoption("--require-components"):
        report.outcome = "failed"
        report.longrepr = _required(item.nodeid, report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself, `pytest.importorskip` included."""
    report = yield
    if report.skipped and collector.config.getoption("--require-components"):
        report.outcome = "failed"
        report.longrepr = _required(collector.nodeid, report.longrepr)
    return report


def _required(node: str, skip: object) -> str:
    reason = skip[2] if isinstance(skip, tuple) else skip
    return f"{node} was skipped, but components are required: {str(reason).removeprefix('Skipped: ')}"


@pytest.fixture(scope="session")
def mongodb_uri() -> Iterator[str]:
    """The URI of a running replica set, shared by all tests of the session: each uses a database of its own name.

    A test that kills or restarts the server starts its own `Mongod` instead.
    """
    uri = os.environ.get(URI_VARIABLE)
    if uri:
        yield uri
        return
    try:
        mongod = Mongod()
    except MongodMissingError as error:
        pytest.skip(str(error))
    with mongod:
        yield mongod.uri
