"""The objects of the service as files, for everything that opens files through fsspec.

::

    import pandas as pd

    frame.to_parquet("flowcept://experiments/7/result.parquet")
    pd.read_parquet("flowcept://experiments/7/result.parquet")

The path is the ``object_id``; what stands before a ``/`` is a directory as long as there is something in it. Needs
``pip install 'flowcept-service[files]'``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.utils import isfilelike

from flowcept.db import DBAPI, default_db
from flowcept.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError, shorten
from flowcept.spooled import SpooledText, SpooledWriter

_BEHIND_SLASH = chr(ord("/") + 1)
_FIELDS = ["object_id", "object_size_bytes", "created_at", "updated_at", "data_sha256", "version"]
_TEXT_OPTIONS = ("encoding", "errors", "newline")


class FlowceptFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Objects of the service as files. Thread-safe; made by fsspec for ``flowcept://`` URLs.

    Files are written as a whole: whoever opens one has the old content until the new one is committed, and a block that
    fails commits nothing. One that is replaced while it is read ends with NotFoundError, unless its versions are kept
    (``control_version=True``); it never mixes both. ``open`` takes
    ``version=`` to read an earlier version, and what ``save_or_update_object`` takes (``type=``, ``custom_metadata=``,
    ``control_version=True``, ...) to write.

    Args:
        target: Address of the service; that of ``Flowcept.db`` when not given.
        settings: Other settings of the client, as ``DBAPI.connect`` takes them.
        **options: Those of fsspec.
    """

    protocol: ClassVar[str] = "flowcept"

    def __init__(self, target: str | None = None, settings: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._own = None if target is None and not settings else DBAPI.connect(target, **(settings or {}))

    @property
    def _db(self) -> DBAPI:
        return self._own or default_db()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped.lstrip("/") if isinstance(stripped, str) else stripped

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """What is known about a file or directory.

        Returns:
            ``name``, ``size`` in bytes, ``type`` (``file`` or ``directory``); of files also ``created``, ``mtime``,
            ``sha256`` and ``version``.

        Raises:
            FileNotFoundError: There is none.
        """
        name = self._strip_protocol(path)
        for found in self._db.query({"object_id": name}, _FIELDS, limit=1, collection="objects") if name else ():
            return _file(found)
        if not name or self._db.query(_under(name), ["object_id"], limit=1, collection="objects"):
            return _directory(name)
        raise FileNotFoundError(f"there is no object {shorten(name)}, and none begins with {shorten(name + '/')}")

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """The files and directories of a directory, or the one file that there is.

        Raises:
            FileNotFoundError: There is neither.
        """
        name = self._strip_protocol(path)
        entries: dict[str, dict[str, Any]] = {}
        begin = len(name) + 1 if name else 0
        for file in self._files(name):
            end = file["name"].find("/", begin)
            if end < 0:
                entries[file["name"]] = file
            else:
                entries.setdefault(file["name"][:end], _directory(file["name"][:end]))
        if not entries and name:
            entries[name] = self.info(name)
        return [entries[key] if detail else key for key in sorted(entries)]

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> Any:
        """All files below a directory: names, or with ``detail`` a dictionary of what ``info`` gives."""
        if maxdepth is not None or withdirs:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        name = self._strip_protocol(path)
        found = {file["name"]: file for file in self._files(name)}
        if not found and name and self.isfile(name):
            found = {name: self.info(name)}
        return found if detail else sorted(found)

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Mapping[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """A file as a file object: ``r``, ``w`` or ``x`` (which it must not exist for), with ``b`` for bytes.

        Raises:
            FileNotFoundError: It is to be read, and is not there.
            FileExistsError: It was to be new, and is there; raised when it is closed, if somebody else was quicker.
            InvalidArgumentError: It is to be appended to, or to be compressed.
        """
        if "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **options)
        if compression is not None:
            # Compressors leave the file below them open, and one that nobody closes is not saved.
            raise InvalidArgumentError(
                f"compression is {shorten(compression)}; use fsspec.open('flowcept://...', compression=...) to write",
                field="compression",
            )
        text_options = {name: options.pop(name) for name in _TEXT_OPTIONS if name in options}
        writer = super().open(path, mode.replace("b", "").replace("t", "") + "b", block_size, cache_options, **options)
        return writer if "b" in mode else SpooledText(writer, **text_options)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,  # noqa: ARG002 - fsspec's; the client reads ahead by itself
        autocommit: bool = True,
        cache_options: Any = None,  # noqa: ARG002 - likewise
        **options: Any,
    ) -> IO[bytes]:
        if mode == "rb":
            try:
                return self._db.get_blob_object(path, options.get("version")).open()
            except NotFoundError as error:
                raise FileNotFoundError(str(error)) from error
        if mode not in {"wb", "xb"}:
            raise InvalidArgumentError(
                f"mode is {shorten(mode)}; objects are read or replaced as a whole: use rb, wb or xb", field="mode"
            )
        if mode == "xb":
            if self.isfile(path):  # the service looks again when it is saved; this spares the writing
                raise FileExistsError(f"there is an object {shorten(path)} already; open it with wb to replace it")
            options["must_not_exist"] = True
        return SpooledWriter(f"flowcept://{path}", partial(self._save, path, **options), autocommit=autocommit)

    def put_file(
        self,
        lpath: str | os.PathLike[str],
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **options: Any,
    ) -> None:
        """Upload a file; a broken connection is resumed."""
        if Path(lpath).is_dir():
            return
        if mode == "create":
            options["must_not_exist"] = True
        self._save(self._strip_protocol(rpath), Path(lpath), progress=_telling(callback), **options)

    def get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, outfile: Any = None, **options: Any
    ) -> None:
        """Download a file, verified before it has its name; a broken connection is resumed."""
        if outfile is not None or isfilelike(lpath):
            super().get_file(rpath, lpath, callback=callback, outfile=outfile, **options)
        elif self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
        else:
            Path(lpath).parent.mkdir(parents=True, exist_ok=True)
            name = self._strip_protocol(rpath)
            self._db.get_blob_object(name, options.get("version")).save_to(lpath, progress=_telling(callback))

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Copy a file within the service; a directory is there once something is in it."""
        if not self.isdir(path1):
            with self._open(self._strip_protocol(path1)) as source:
                self._save(self._strip_protocol(path2), source, **options)

    def rm_file(self, path: str) -> None:
        """Delete a file.

        Raises:
            FileNotFoundError: There is none.
            PreconditionError: Its history is controlled, and history is append-only.
        """
        try:
            self._db.delete_object(self._strip_protocol(path))
        except NotFoundError as error:
            raise FileNotFoundError(str(error)) from error

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, and with ``recursive`` what is in directories, to a depth.

        Raises:
            FileNotFoundError: There is nothing to delete.
        """
        for name in self.expand_path(path):
            files = self.find(name, maxdepth=maxdepth) if recursive else [name]
            if not files:
                raise FileNotFoundError(f"there is no object {shorten(name)}, nor one below it")
            for file in files:
                self.rm_file(file)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Nothing to do: a directory is there once something is in it."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing to do: a directory is there once something is in it."""

    def rmdir(self, path: str) -> None:
        """Nothing to do for an empty directory, which is not there.

        Raises:
            OSError: It is not empty.
        """
        if self.exists(path):
            raise OSError(f"directory {shorten(path)} is not empty; rm(path, recursive=True) deletes what is in it")

    def created(self, path: str) -> datetime:
        """When version 0 of a file was saved; UTC."""
        created: datetime = self.info(path)["created"]
        return created

    def modified(self, path: str) -> datetime:
        """When the latest version of a file was saved; UTC."""
        modified: datetime = self.info(path)["mtime"]
        return modified

    def checksum(self, path: str) -> str:
        """SHA-256 of a file, 64 hexadecimal digits."""
        return str(self.info(path)["sha256"])

    ukey = checksum

    def _files(self, directory: str) -> Iterable[dict[str, Any]]:
        wanted = _under(directory) if directory else {}
        return map(_file, self._db.iter_query(filter=wanted, projection=_FIELDS, collection="objects"))

    def _save(self, object_id: str, content: Any, **options: Any) -> None:
        try:
            self._db.save_or_update_object(content, object_id=object_id, **options)
        except AlreadyExistsError as error:
            raise FileExistsError(str(error)) from error


def _under(directory: str) -> dict[str, Any]:
    """The filter of what is in a directory, at any depth. A range, which a database can look up."""
    return {"object_id": {"$gt": f"{directory}/", "$lt": f"{directory}{_BEHIND_SLASH}"}}


def _file(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": document["object_id"],
        "size": document["object_size_bytes"],
        "type": "file",
        "created": document.get("created_at"),
        "mtime": document.get("updated_at"),
        "sha256": document.get("data_sha256"),
        "version": document.get("version"),
    }


def _directory(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _telling(callback: Callback) -> Callable[[int, int | None], None]:
    def progress(transferred: int, total: int | None) -> None:
        callback.set_size(total)
        callback.absolute_update(transferred)

    return progress
