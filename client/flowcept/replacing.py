"""Writing a file so that readers see the old one or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def part_path(path: Path) -> Path:
    """A name beside ``path`` that nobody else uses, for what shall become ``path``."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` when the block ends well, and leaves nothing when it does not.

    Args:
        path: The file to replace or create; its directory exists.
        durable: Also wait until the bytes are on the disk.
    """
    part = part_path(path)
    try:
        with part.open("xb", buffering=1024 * 1024) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
