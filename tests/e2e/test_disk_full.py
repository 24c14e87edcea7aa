"""A full disk refuses writes, not reads, and is forgotten once there is room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import AbortUploadRequest, DeleteObjectRequest
from tests.support.blobs import MIB, Blobs, chunks, commit, header, pattern
from tests.support.conditions import eventually
from tests.support.disks import small_file_system
from tests.support.server import ServerProcess


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", 64) as place:
        yield place


@pytest.mark.may_skip("mounting needs privileges")
def test_a_full_disk_refuses_writes_and_serves_reads_until_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    kept, large = pattern(8 * MIB), pattern(80 * MIB, seed=1)
    often = {"FLOWCEPT_SERVICE_SWEEP_SECONDS": "0.2"}
    with (
        ServerProcess(tmp_path, data_dir=small_disk / "data", environ=often) as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        blobs = Blobs(channel)
        blobs.put(kept, "kept", "kept", control_version=True)
        blobs.put(pattern(16 * MIB, seed=2), "other", "other")

        failure = blobs.refused([header("large", "large"), *chunks(large), commit(large)])
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")
        assert blobs.failing(lambda: blobs.object("large")).reason == "OBJECT_NOT_FOUND"
        assert blobs.get("kept") == kept

        # Room is made as a user would make it: by deleting, and by giving up what does not fit.
        blobs.stub.AbortUpload(AbortUploadRequest(upload_id="large"))
        blobs.stub.DeleteObject(DeleteObjectRequest(object_id="other"))
        smaller = pattern(12 * MIB, seed=3)
        eventually(lambda: blobs.succeeds(lambda: blobs.put(smaller, "smaller", "smaller")))
        assert blobs.get("smaller") == smaller
        assert blobs.get("kept") == kept
