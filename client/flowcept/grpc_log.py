"""What gRPC's core writes to standard error by itself."""

from __future__ import annotations

import os


def quiet() -> None:
    """Leave out its notes below errors, unless the environment says what it wants. Before gRPC is imported.

    It has a line for every handshake that fails: whoever knocks at the port could fill the log, and a command that
    repeats its call would bury the message in which it says what is wrong.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
