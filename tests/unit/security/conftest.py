"""What the modules log, whatever the process has configured before."""

from __future__ import annotations

import pytest
from structlog.testing import CapturingLogger

from flowcept_service.security import keys, watched


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> CapturingLogger:
    """The lines that a test causes."""
    logger = CapturingLogger()
    for module in (keys, watched):
        monkeypatch.setattr(module, "_log", logger)
    return logger
