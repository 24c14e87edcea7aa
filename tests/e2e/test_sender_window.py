"""A sender that cannot go back, in any language: it keeps what is not staged yet, and no more than it was promised."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import UploadRequest
from tests.support.blobs import MIB, Blobs, chunks, commit, header, pattern
from tests.support.conditions import eventually
from tests.support.services import service_on

PROMISED = 16 * MIB
"""What arrives is staged at least that often, says the contract."""


@pytest.mark.parametrize("store", ["lmdb", "mongodb"])
@pytest.mark.parametrize("piece", [MIB, 3 * MIB, 999_983])
def test_what_arrives_is_staged_soon_enough_for_a_sender_that_keeps_16_mib(
    store: str, piece: int, tmp_path: Path
) -> None:
    data = pattern(60 * MIB)
    with service_on(store, tmp_path) as server, grpc.insecure_channel(server.target) as channel:
        blobs = Blobs(channel)

        def has_room(end: int) -> bool:
            return end - blobs.staged().staged_bytes <= PROMISED

        def messages() -> Iterator[UploadRequest]:
            yield header()
            for message in chunks(data, size=piece):
                end = message.chunk.offset + len(message.chunk.data)
                eventually(partial(has_room, end))
                yield message
            yield commit(data)

        assert blobs.upload(messages()).object.object_size_bytes == len(data)
