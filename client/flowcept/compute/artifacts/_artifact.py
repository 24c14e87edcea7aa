"""One artifact: its files, its metadata, and its transactions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import IO, Any, Self

from flowcept.checks import text
from flowcept.compute.artifacts._file import ArtifactFile
from flowcept.compute.artifacts._place import METADATA_FILE, Place, check_file_name, no_such_file
from flowcept.compute.errors import ArtifactExistsError, ArtifactNotFoundError, KeyNotFoundError
from flowcept.db import BlobObject, SaveConditions
from flowcept.errors import AlreadyExistsError, VersionConflictError, shorten


class Artifact:
    """A named container of files and metadata, within a namespace.

    Metadata are strings under strings. They are read and set by the methods below, or as the items of a dictionary::

        artifact["created_by"] = "ada"

    Several programs may use one artifact at the same time: files are replaced as a whole, and changes of different
    metadata all arrive.
    """

    def __init__(self, place: Place) -> None:
        """Use ``new_artifact`` or ``get_artifact``."""
        self._place = place

    @property
    def name(self) -> str:
        """Name of the artifact."""
        return self._place.name

    @property
    def namespace(self) -> str:
        """What the name is unique within."""
        return self._place.namespace

    @property
    def path(self) -> str:
        """What the identifiers of its files begin with."""
        return self._place.path

    @property
    def exists(self) -> bool:
        """Whether it is there, still."""
        return self._place.has(METADATA_FILE)

    @property
    def is_empty(self) -> bool:
        """Whether it has no files."""
        return not self._place.files()

    @property
    def metadata(self) -> dict[str, str]:
        """All metadata, as a dictionary of the caller's own."""
        return _decode(self._metadata_blob())

    def list_files(self) -> list[ArtifactFile]:
        """Its files, by their names.

        Raises:
            ArtifactNotFoundError: The artifact is gone.
        """
        self._check_exists()
        return [ArtifactFile(self._place, name) for name in self._place.files()]

    def has_file(self, filename: str) -> bool:
        """Whether it has a file of this name."""
        return self._place.has(check_file_name(filename))

    def get_file(self, filename: str, create: bool = False) -> ArtifactFile:
        """A file of this artifact.

        Args:
            filename: Its name.
            create: Make an empty one if there is none.

        Raises:
            ArtifactNotFoundError: There is no such file, or no such artifact any more.
        """
        if create:
            return self.new_file(filename)
        if not self.has_file(filename):
            raise no_such_file(self._place, filename)
        return ArtifactFile(self._place, filename)

    def new_file(self, filename: str, content: Any = None, *, exist_ok: bool = True) -> ArtifactFile:
        """Add a file.

        Args:
            filename: Its name.
            content: What ``ArtifactFile.write`` takes. None: an empty file, or what an existing one holds.
            exist_ok: Whether there may be such a file already, whose content is then replaced if one is given.

        Raises:
            ArtifactExistsError: There is one, and ``exist_ok`` is false.
            ArtifactNotFoundError: The artifact is gone.
        """
        self._check_exists()
        file = ArtifactFile(self._place, check_file_name(filename))
        if content is not None and exist_ok:
            file.write(content)
        else:
            self._place.changes.make(partial(self._create, filename, content, exist_ok=exist_ok))
        return file

    def open(
        self, filename: str, mode: str = "r", attributes: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[IO[Any]]:
        """A file as a file object, for a ``with`` block; see ``ArtifactFile.open``. One that is written may be new."""
        self._check_exists()
        return ArtifactFile(self._place, check_file_name(filename)).open(mode, attributes)

    def delete_file(self, filename: str) -> None:
        """Delete a file.

        Raises:
            ArtifactNotFoundError: There is none.
        """
        self.get_file(filename).remove()

    def clear(self) -> None:
        """Delete all files and metadata; the artifact stays, empty."""
        for file in self.list_files():
            file.remove()
        self._change_metadata(dict.clear)

    def delete(self) -> None:
        """Delete the artifact with all that it holds. A deletion that was interrupted may be repeated.

        Raises:
            ArtifactNotFoundError: It is gone already.
        """
        for file in self.list_files():
            file.remove()
        # Last, for it is what makes the artifact exist.
        self._place.changes.make(partial(self._place.delete, METADATA_FILE))

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """Carry out what the ``with`` block changes in this artifact at its end, in order; nothing if it fails.

        Until then, reading shows the artifact as it was before the block.
        """
        with self._place.changes.together():
            yield self

    def get_meta(self, key: str, default: str | None = None) -> str | None:
        """The metadata under a key, or ``default``."""
        return self.metadata.get(key, default)

    def set_meta(self, key: str, value: str) -> None:
        """Set the metadata under a key.

        Raises:
            InvalidArgumentError: Key or value is no string.
        """
        entry = {text("metadata key", key): text("metadata value", value)}
        self._change_metadata(lambda metadata: metadata.update(entry))

    def del_meta(self, key: str) -> None:
        """Delete the metadata under a key.

        Raises:
            KeyNotFoundError: There is none.
        """

        def remove(metadata: dict[str, str]) -> None:
            if metadata.pop(key, None) is None:
                raise self._no_metadata(key)

        self._change_metadata(remove)

    def __getitem__(self, key: str) -> str:
        value = self.get_meta(key)
        if value is None:
            raise self._no_metadata(key)
        return value

    def __setitem__(self, key: str, value: str) -> None:
        self.set_meta(key, value)

    def __delitem__(self, key: str) -> None:
        self.del_meta(key)

    def __contains__(self, key: object) -> bool:
        return key in self.metadata

    def __iter__(self) -> Iterator[str]:
        return iter(self.metadata)

    def __repr__(self) -> str:
        return f"Artifact({self.name!r}, namespace={self.namespace!r})"

    def _check_exists(self) -> None:
        if not (self._place.unmade or self.exists):
            raise self._gone()

    def _metadata_blob(self) -> BlobObject | None:
        blob = self._place.find(METADATA_FILE)
        if blob is None and not self._place.unmade:
            raise self._gone()
        return blob

    def _gone(self) -> ArtifactNotFoundError:
        return ArtifactNotFoundError(
            f"there is no artifact {self.name!r} in namespace {self.namespace!r} any more", object_id=self.path
        )

    def _create(self, filename: str, content: Any, *, exist_ok: bool) -> None:
        try:
            self._place.save(filename, b"" if content is None else content, must_not_exist=True)
        except AlreadyExistsError as error:
            if not exist_ok:
                raise ArtifactExistsError(
                    f"artifact {self.name!r} of namespace {self.namespace!r} has a file {shorten(filename)} already; "
                    "exist_ok=True replaces its content",
                    object_id=f"{self.path}/{filename}",
                ) from error

    def _change_metadata(self, change: Callable[[dict[str, str]], object]) -> None:
        self._place.changes.make(partial(self._apply, change))

    def _apply(self, change: Callable[[dict[str, str]], object]) -> None:
        while True:
            blob = self._metadata_blob()
            metadata = _decode(blob)
            change(metadata)
            content = json.dumps(metadata, ensure_ascii=False).encode()
            unchanged: SaveConditions = {"must_not_exist": True} if blob is None else {"expected_version": blob.version}
            try:
                self._place.save(METADATA_FILE, content, **unchanged)
            except (VersionConflictError, AlreadyExistsError):
                continue  # another program changed something meanwhile: that is kept, and this comes on top
            return

    def _no_metadata(self, key: str) -> KeyNotFoundError:
        return KeyNotFoundError(f"artifact {self.name!r} has no metadata {shorten(key)}", field="key", value=key)


def _decode(blob: BlobObject | None) -> dict[str, str]:
    metadata: dict[str, str] = {} if blob is None else json.loads(blob.data)
    return metadata
