"""The form of log lines."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging
from flowcept_service.config import LogOptions
from flowcept_service.server.logs import configure_logging
configure_logging(LogOptions(format="json"))
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("grpc._server").exception("it failed")
"""


def test_what_libraries_log_has_the_form_of_the_service_s_own_lines() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["level"], line["logger"]) == ("it failed", "error", "grpc._server")
    assert "ZeroDivisionError" in line["exception"]
