"""A client in JavaScript, written against the contract alone, beside clients of this package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from tests.support.blobs import MIB, pattern
from tests.support.conditions import PATIENCE
from tests.support.node import Program, installed
from tests.support.npm import ROOT
from tests.support.proxy import Break, Fault, FaultyProxy
from tests.support.server import ServerProcess

CHECKPOINT = pattern(40 * MIB, seed=3)


@pytest.fixture(scope="module")
def client() -> Program:
    """The example, ready to run."""
    return installed(ROOT / "examples" / "node" / "client.js")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A service."""
    with ServerProcess(tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def db(server: ServerProcess) -> Iterator[DBAPI]:
    """The Python client of the same service."""
    with DBAPI(ClientSettings.load(environ={}, target=server.target)) as db:
        yield db


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file to upload."""
    file = tmp_path / "checkpoint.bin"
    file.write_bytes(CHECKPOINT)
    return file


def result(program: Popen[str], code: int = 0) -> tuple[Any, str]:
    """What a program printed, as JSON, and what it complained of."""
    out, err = program.communicate(timeout=PATIENCE)
    assert program.returncode == code, err
    return json.loads(out) if out else None, err


def test_a_file_that_it_uploads_is_a_version_that_python_reads(
    client: Program, server: ServerProcess, db: DBAPI, checkpoint: Path
) -> None:
    for version in (0, 1):
        stored, _ = result(client.start(server.target, "put", str(checkpoint), "uploaded"))
        assert stored["version"] == version
    blob = db.get_blob_object("uploaded")
    assert (blob.version, blob.prev_version, blob.type) == (1, 0, "ml_model")
    assert blob.data == CHECKPOINT


def test_what_python_stores_it_downloads(client: Program, server: ServerProcess, db: DBAPI, tmp_path: Path) -> None:
    for size in (0, 1000, len(CHECKPOINT)):
        stored = db.save_or_update_object(CHECKPOINT[:size])
        shown, _ = result(client.start(server.target, "get", stored, str(tmp_path / "file")))
        assert shown["objectSizeBytes"] == size
        assert (tmp_path / "file").read_bytes() == CHECKPOINT[:size]


@pytest.mark.parametrize("kind", [Break.CLOSE, Break.RESET])
def test_an_upload_whose_connection_breaks_goes_on_where_it_was(
    client: Program, server: ServerProcess, db: DBAPI, checkpoint: Path, kind: Break
) -> None:
    with FaultyProxy(server.target, Fault(after_sent=30 * MIB, kind=kind)) as proxy:
        stored, err = result(client.start(proxy.target, "put", str(checkpoint), f"broken-{kind.value}"))
        assert proxy.broken == 1
    assert re.search(r"continuing at [1-9]", err)
    assert stored["version"] == 0
    assert db.get_blob_object(f"broken-{kind.value}").data == CHECKPOINT


def test_a_download_whose_connection_breaks_goes_on_where_it_was(
    client: Program, server: ServerProcess, db: DBAPI, tmp_path: Path
) -> None:
    db.save_or_update_object(CHECKPOINT, object_id="downloaded")
    with FaultyProxy(server.target, Fault(after_received=20 * MIB, kind=Break.RESET)) as proxy:
        result(client.start(proxy.target, "get", "downloaded", str(tmp_path / "file")))
        assert proxy.broken == 1
    assert (tmp_path / "file").read_bytes() == CHECKPOINT


def test_an_error_has_its_documented_reason_and_leaves_no_file(
    client: Program, server: ServerProcess, tmp_path: Path
) -> None:
    _, err = result(client.start(server.target, "get", "nothing", str(tmp_path / "file")), code=1)
    assert err.startswith("OBJECT_NOT_FOUND: ")
    assert not list(tmp_path.iterdir())


def test_records_that_it_publishes_are_stored_but_for_those_that_are_refused(
    client: Program, server: ServerProcess, db: DBAPI, tmp_path: Path
) -> None:
    lines = tmp_path / "records.jsonl"
    pad = "x" * 9000  # more than fits into one request
    good = [json.dumps({"type": "task", "task_id": f"js-{n}", "workflow_id": "js", "pad": pad}) for n in range(1200)]
    lines.write_text("\n".join([*good[:700], '{"type": "unheard-of"}', *good[700:]]))
    published, _ = result(client.start(server.target, "publish", stdin=lines))
    assert published["published"] == 1200
    assert [(refused["index"], bool(refused["reason"])) for refused in published["rejections"]] == [(700, True)]
    assert len(db.task_query({"workflow_id": "js"}) or []) == 1200


@contextmanager
def following(client: Program, server: ServerProcess) -> Iterator[Iterator[dict[str, Any]]]:
    """The events that the client prints, from the very first."""
    program = client.start(server.target, "follow", "0")
    with program:
        assert program.stdout is not None
        try:
            yield map(json.loads, program.stdout)
        finally:
            program.kill()


def test_it_follows_events_over_a_restart_of_the_service(client: Program, tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server, following(client, server) as events:
        for number in range(2):
            if number:
                server.restart()
            with closing(DBAPI(ClientSettings.load(environ={}, target=server.target))) as db:
                db.publish([{"type": "task", "task_id": f"t{number}", "workflow_id": "w", "used": {"lr": 0.5}}])
            event = next(events)
            assert (event["sequence"], event["id"]) == (number + 1, f"t{number}")
            assert event["document"]["used"] == {"lr": 0.5}
