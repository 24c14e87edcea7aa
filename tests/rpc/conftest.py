"""What tests see of a service in their own process beside its answers."""

from __future__ import annotations

import pytest

from flowcept_service.blobs.parts import UploadChunk, UploadPart
from flowcept_service.blobs.session import UploadSession


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the chunks that the service has taken in so far."""
    sizes: list[int] = []
    original = UploadSession.accept

    def accept(session: UploadSession, part: UploadPart) -> None:
        original(session, part)
        if isinstance(part, UploadChunk):
            sizes.append(len(part.data))

    monkeypatch.setattr(UploadSession, "accept", accept)
    return sizes
