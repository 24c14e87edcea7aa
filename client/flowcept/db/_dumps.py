"""Writing what a query finds to a file."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flowcept.codec import JSON, decode_document, wire_document
from flowcept.db._export import CsvWriter, ParquetWriter, TableWriter, write_json, write_json_lines
from flowcept.db._queries import Filter, QueryMethods, query_request
from flowcept.errors import InvalidArgumentError, shorten
from flowcept.replacing import replacing
from flowcept.transport import query
from flowcept.v1 import provenance_service_pb2 as pb

_TEXT_FORMATS = {"json": write_json, "jsonl": write_json_lines}
_TABLE_FORMATS: dict[str, type[TableWriter]] = {"csv": CsvWriter, "parquet": ParquetWriter}
_FORMATS = (*_TEXT_FORMATS, *_TABLE_FORMATS)


class DumpMethods(QueryMethods):
    """The method of ``Flowcept.db`` that writes files."""

    def dump_to_file(
        self,
        collection: str = "tasks",
        filter: Filter | None = None,
        output_file: str | Path | None = None,
        export_format: str = "json",
        should_zip: bool = False,
    ) -> bool:
        """Write the documents that match to a file, in constant memory; it is complete or it is not there.

        Args:
            collection: As ``iter_query``.
            filter: Which documents; all when not given.
            output_file: The file; ``docs_dump_<collection>_<time>`` with a fitting suffix when not given.
            export_format: ``json`` (an array) or ``jsonl`` (a document on each line), both in MongoDB's Relaxed
                Extended JSON; ``csv`` or ``parquet`` (needs pyarrow): a column for each top-level field, in which
                dictionaries and lists are JSON texts.
            should_zip: Put the file into a ZIP archive, as ``dump_file.<format>``.

        Returns:
            True.

        Raises:
            InvalidArgumentError: An argument is wrong.
            ModuleNotFoundError: pyarrow is not installed.
            OSError: The file cannot be written; what was there is untouched.
            FlowceptError: As ``iter_query``.
        """
        if export_format not in _FORMATS:
            raise InvalidArgumentError(
                f"export_format is {shorten(export_format)}; it must be one of {', '.join(_FORMATS)}",
                field="export_format",
                value=shorten(export_format),
            )
        request = query_request(collection, filter, {"_id": 0})
        suffix = "zip" if should_zip else export_format
        path = Path(f"{self._dump_name(collection)}.{suffix}" if output_file is None else output_file)
        with replacing(path) as file:
            if not should_zip:
                self._dump(request, export_format, file)
                return True
            with tempfile.NamedTemporaryFile(prefix="flowcept-") as whole:
                self._dump(request, export_format, whole)
                whole.flush()
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.write(whole.name, f"dump_file.{export_format}")
        return True

    def _dump(self, request: pb.QueryRequest, export_format: str, file: IO[bytes]) -> None:
        if export_format in _TEXT_FORMATS:
            request.encoding = JSON
            _TEXT_FORMATS[export_format](file, self._texts(request))
            return
        with _TABLE_FORMATS[export_format](file) as writer:
            for document in query(self.connection, request):
                writer.add(decode_document(document, "documents") or {})

    def _texts(self, request: pb.QueryRequest) -> Iterator[str]:
        for document in query(self.connection, request):
            # The service leaves a document in BSON whose JSON would not fit into a message.
            yield document.json or wire_document(document.bson, JSON).json

    def _dump_name(self, collection: str) -> str:
        return f"docs_dump_{collection}_{datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%dT%H:%M:%S.%f%z}"
