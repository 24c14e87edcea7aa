"""Documents in files, in constant memory: as JSON, JSON Lines, CSV and Parquet."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import IO, Any, Self

import bson

from flowcept.codec import CODEC_OPTIONS, encode_bson, to_json

_ROW_GROUP = 10_000


def write_json(file: IO[bytes], documents: Iterable[str]) -> None:
    """An array of documents that are JSON already."""
    separator = b"[\n"
    for text in documents:
        file.write(separator + text.encode())
        separator = b",\n"
    file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def write_json_lines(file: IO[bytes], documents: Iterable[str]) -> None:
    """A document on each line. JSON never has a line break in it."""
    file.writelines(text.encode() + b"\n" for text in documents)


class TableWriter:
    """Writes documents as a table with a column for each of their top-level fields.

    Which columns there are is known when the last document is: until then documents wait in a temporary file.
    Dictionaries, lists and what else a cell cannot hold become JSON texts. Used as a context manager; the table is
    complete when the block ends well.

    Args:
        file: Where to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._spool = tempfile.TemporaryFile(prefix="flowcept-")  # noqa: SIM115 - closed when the block ends
        self._kinds: dict[str, set[str]] = {}

    def add(self, document: dict[str, Any]) -> None:
        """Append a row."""
        for name, value in document.items():
            self._kinds.setdefault(name, set()).add(_kind(value))
        self._spool.write(encode_bson(document))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._spool:
            if exc_type is None:
                self._spool.seek(0)
                columns = {name: _column_kind(kinds) for name, kinds in self._kinds.items()}
                self._write(columns, bson.decode_file_iter(self._spool, CODEC_OPTIONS))

    def _write(self, columns: dict[str, str], documents: Iterator[dict[str, Any]]) -> None:
        raise NotImplementedError


class CsvWriter(TableWriter):
    """RFC 4180, UTF-8, with a header; fields that a document lacks are empty."""

    def _write(self, columns: dict[str, str], documents: Iterator[dict[str, Any]]) -> None:
        text = io.TextIOWrapper(self._file, encoding="utf-8", newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        for document in documents:
            writer.writerow([_csv_cell(document.get(name)) for name in columns])
        text.flush()
        text.detach()


class ParquetWriter(TableWriter):
    """Typed columns where all values of a field have one type. Needs pyarrow.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        # Before anything is written, so that a missing package is noticed before the query.
        try:
            import pyarrow.parquet  # noqa: F401
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "Parquet needs pyarrow: pip install 'flowcept-service[dataframe]'.", name="pyarrow"
            ) from error
        super().__init__(file)

    def _write(self, columns: dict[str, str], documents: Iterator[dict[str, Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {
            "bool": pa.bool_(),
            "int": pa.int64(),
            "float": pa.float64(),
            "time": pa.timestamp("ms", tz="UTC"),
            "text": pa.string(),
            "json": pa.string(),
        }
        schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        with pq.ParquetWriter(self._file, schema) as writer:
            while rows := list(islice(documents, _ROW_GROUP)):
                cells = {name: [_parquet_cell(row.get(name), kind) for row in rows] for name, kind in columns.items()}
                writer.write_table(pa.table(cells, schema=schema))


def _kind(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "text"
    return "time" if isinstance(value, datetime) else "json"


def _column_kind(kinds: set[str]) -> str:
    """What holds all values of a field."""
    given = kinds - {"none"}
    if given == {"int", "float"}:
        return "float"
    return given.pop() if len(given) == 1 else "json"


def _parquet_cell(value: Any, kind: str) -> Any:
    if value is None or kind not in ("json", "float"):
        return value
    if kind == "float":
        return float(value)
    return value if isinstance(value, str) else to_json(value)


def _csv_cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return to_json(value)
