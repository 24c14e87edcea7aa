"""A service with the database that it needs, as processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.mongod import Mongod
from tests.support.server import ServerProcess


@contextmanager
def service_on(store: str, directory: Path) -> Iterator[ServerProcess]:
    """Run a service on a store for the length of the block.

    Args:
        store: ``lmdb``, or ``mongodb``: a replica set of one new member, which ends with the service.
        directory: Where the service keeps what it writes.
    """
    with ExitStack() as stack:
        arguments = ["--store", store]
        if store == "mongodb":
            arguments += ["--mongodb-uri", stack.enter_context(Mongod()).uri]
        yield stack.enter_context(ServerProcess(directory, *arguments))
