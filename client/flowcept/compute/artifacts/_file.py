"""One file of an artifact."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, Final, TypeVar

from flowcept.compute.artifacts._place import Place, no_such_file
from flowcept.db import BlobObject
from flowcept.errors import InvalidArgumentError, NotFoundError, shorten
from flowcept.spooled import SpooledWriter

_READING: Final = ("r", "rt", "rb")
_WRITING: Final = ("w", "wt", "wb")
_T = TypeVar("_T")


class ArtifactFile:
    """A file of an artifact: read in constant memory, written as a whole, from a temporary file if ``open`` writes it.

    What is written becomes visible at once, when all of it is with the service; readers see the old content until then,
    and never a mixture. ``read`` and ``load`` begin anew with a file that is replaced while they read it; reading one
    of more than 128 KiB that ``open`` has given ends with NotFoundError then, for the old content is gone.
    """

    def __init__(self, place: Place, name: str) -> None:
        """Use ``Artifact.get_file`` or ``Artifact.new_file``."""
        self._place = place
        self._name = name

    @property
    def name(self) -> str:
        """Name of the file."""
        return self._name

    @property
    def path(self) -> str:
        """Identifier of the object that the file is for the service."""
        return f"{self._place.path}/{self._name}"

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What was given as ``attributes`` when it was written.

        Raises:
            ArtifactNotFoundError: The file is gone.
        """
        attributes: Mapping[str, Any] = _metadata(self._blob())["attributes"]
        return attributes

    def read(self, size: int = -1, mode: str | None = None) -> Any:
        """The content: a string if it was written as text, else bytes.

        Args:
            size: Characters or bytes to read at most; all when negative.
            mode: ``"r"`` for a string, ``"rb"`` for bytes, whatever it was written as.

        Raises:
            ArtifactNotFoundError: The file is gone.
            UnicodeDecodeError: It is read as text, and is none in UTF-8.
        """
        wanted = None if mode is None else _known(mode, _READING)

        def content(blob: BlobObject) -> Any:
            with _reading(blob, wanted or ("r" if _metadata(blob)["text"] else "rb")) as file:
                return file.read(size)

        return self._load(content)

    def load(self, read: Callable[[IO[bytes], Mapping[str, Any]], _T]) -> _T:
        """What a function makes of the content and of the attributes that were written with it.

        Args:
            read: Takes the content as a binary file, and the attributes. Called again if the file was replaced before
                it had read all.

        Raises:
            ArtifactNotFoundError: The file is gone.
        """

        def content(blob: BlobObject) -> _T:
            with _reading(blob, "rb") as file:
                return read(file, _metadata(blob)["attributes"])

        return self._load(content)

    def write(self, data: Any, attributes: Mapping[str, Any] | None = None) -> None:
        """Replace the content.

        Args:
            data: A string, or all that ``Flowcept.db.save_or_update_object`` takes: bytes, a path, a binary file, an
                iterator of bytes.
            attributes: What to keep with the content.
        """
        self._place.changes.make(partial(self._place.save, self._name, data, attributes))

    @contextmanager
    def open(self, mode: str = "r", attributes: Mapping[str, Any] | None = None) -> Iterator[IO[Any]]:
        """The file as a file object, for a ``with`` block.

        What is written replaces the content at the end of the block, or never if the block fails.

        Args:
            mode: ``"r"``, ``"rb"``, ``"w"`` or ``"wb"``; text is UTF-8.
            attributes: With a mode that writes: what to keep with the content.

        Raises:
            ArtifactNotFoundError: It is to be read, and is gone.
            NotFoundError: When reading: it was replaced meanwhile.
        """
        if _known(mode, (*_READING, *_WRITING)) in _READING:
            with _reading(self._blob(), mode) as file:
                yield file
            return
        # Not saved by itself: a block that fails must leave nothing behind, and a transaction saves it later.
        save = partial(self._place.save, self._name, attributes=attributes, is_text=mode != "wb")
        writer = SpooledWriter(self.path, save, autocommit=False)
        try:
            yield from _writing(writer, mode)
        except BaseException:
            writer.discard()
            raise
        self._place.changes.make(writer.commit, writer.discard)

    def remove(self) -> None:
        """Delete the file from its artifact; one that is gone already is fine."""
        self._place.changes.make(partial(self._place.delete, self._name))

    def __repr__(self) -> str:
        return f"ArtifactFile({self.path!r})"

    def _load(self, read: Callable[[BlobObject], _T]) -> _T:
        blob = self._blob()
        while True:
            try:
                return read(blob)
            except NotFoundError:
                latest = self._blob()
                if latest == blob:
                    raise  # it is something else that was not found
                blob = latest

    def _blob(self) -> BlobObject:
        blob = self._place.find(self._name)
        if blob is None:
            raise no_such_file(self._place, self._name)
        return blob


def _metadata(blob: BlobObject) -> Mapping[str, Any]:
    """What ``Place.save`` has put beside the content."""
    return {"text": False, "attributes": {}} | (blob.custom_metadata or {})


def _known(mode: str, modes: Collection[str]) -> str:
    if mode not in modes:
        raise InvalidArgumentError(
            f"mode is {shorten(mode)}; use one of {', '.join(modes)}", field="mode", value=shorten(mode)
        )
    return mode


@contextmanager
def _reading(blob: BlobObject, mode: str) -> Iterator[IO[Any]]:
    with blob.open() as binary:
        yield binary if mode == "rb" else io.TextIOWrapper(binary, encoding="utf-8", newline="")


def _writing(writer: SpooledWriter, mode: str) -> Iterator[IO[Any]]:
    if mode == "wb":
        yield writer
        return
    text = io.TextIOWrapper(writer, encoding="utf-8", newline="")
    yield text
    text.detach()  # flushes; the writer stays open
