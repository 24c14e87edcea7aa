"""The open database: its collections, and reading documents as bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from bson.codec_options import CodecOptions
from pymongo.client_session import ClientSession
from pymongo.collection import Collection as MongoCollection

from flowcept_service.storage.mongodb._connection.client import connect
from flowcept_service.storage.mongodb._connection.errors import ErrorTranslator
from flowcept_service.storage.mongodb._connection.raw import RAW, documents_in
from flowcept_service.storage.mongodb._connection.scan import Scans
from flowcept_service.storage.mongodb._connection.schema import prepare
from flowcept_service.storage.mongodb._connection.settings import MongodbSettings

PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
"""How documents of our own collections are decoded."""


class Database:
    """A database that was checked and prepared.

    Args:
        settings: Where it is.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE.
        UnavailableError: STORAGE_UNAVAILABLE.
    """

    def __init__(self, settings: MongodbSettings) -> None:
        self.errors = ErrorTranslator(settings)
        self.client = connect(settings, self.errors)
        self.name = settings.database_name
        self.scans = Scans(self.client)
        try:
            with self.errors():
                self.plain = self.client.get_database(self.name, codec_options=PLAIN)
                self.raw = self.client.get_database(self.name, codec_options=RAW)
                prepare(self.plain, settings.safe_uri)
        except BaseException:
            self.client.close()
            raise

    def collection(self, name: str) -> MongoCollection[dict[str, Any]]:
        """A collection whose documents are decoded."""
        return self.plain[name]

    def documents(
        self,
        name: str,
        filter: Mapping[str, Any],
        session: ClientSession | None = None,
        **options: Any,
    ) -> Iterator[bytes]:
        """The documents that a filter matches, as bytes. Errors are not translated: callers iterate within theirs.

        Args:
            name: The collection.
            filter: In MongoDB's words.
            session: The transaction to read in, or None.
            options: Further arguments of ``Collection.find_raw_batches``.
        """
        cursor = self.raw[name].find_raw_batches(filter, session=session, **options)
        try:
            for batch in cursor:
                # The driver's type says documents; these are the bytes of many.
                yield from documents_in(cast("bytes", batch))
        finally:
            cursor.close()

    def command(self, command: dict[str, Any], session: ClientSession) -> dict[str, Any]:
        """Run a write command within a transaction; its answer."""
        answer: dict[str, Any] = self.plain.command(command, session=session)
        return answer

    def close(self) -> None:
        """Close all connections."""
        self.scans.close()
        self.client.close()
