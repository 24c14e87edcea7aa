"""``BlobObject``: what is known about one version of an object, and its bytes on demand."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

from flowcept.errors import PreconditionError, shorten, wrong_type
from flowcept.transport import Progress

_FIELDS = (
    "object_id",
    "version",
    "prev_version",
    "task_id",
    "workflow_id",
    "campaign_id",
    "type",
    "tags",
    "custom_metadata",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "object_size_bytes",
    "data_sha256",
    "data_hash_algo",
    "storage_type",
    "control_version",
    "pickle",
)


class PayloadReader(Protocol):
    """Reads the bytes of a version."""

    def read(self, blob: BlobObject, progress: Progress | None) -> bytes:
        """All bytes, verified."""
        ...

    def open(self, blob: BlobObject) -> io.BufferedReader:
        """The bytes as a seekable file."""
        ...

    def iterate(self, blob: BlobObject, progress: Progress | None) -> Iterator[memoryview]:
        """The bytes piece by piece, verified at the end."""
        ...

    def save_to(self, blob: BlobObject, path: Path, progress: Progress | None) -> None:
        """The bytes in a file, verified before it has its name."""
        ...


class BlobObject:
    """One version of a versioned object: its metadata as attributes, its bytes on demand.

    The fields are those of the schema (``object_id``, ``version``, ``task_id``, ``workflow_id``, ``type``,
    ``custom_metadata``, ``created_at``, ...); those that are not set are None. A field that this version of the
    library does not know is an attribute too. Fields can also be read like those of a dictionary: ``blob["version"]``.

    Bytes are loaded from exactly this version when they are first asked for. Nothing is unpickled unless you call
    ``unpickle``.
    """

    FIELDS: ClassVar[tuple[str, ...]] = _FIELDS
    """Names of the fields of the schema."""

    object_id: str | None
    """Identifier of the object, the same for all its versions."""
    version: int
    """Number of this version, from 0."""
    prev_version: int | None
    """The version before this one; None for the first."""
    task_id: str | None
    """The task that produced or consumed it."""
    workflow_id: str | None
    """The workflow execution that it belongs to."""
    campaign_id: str | None
    """The campaign that it belongs to."""
    type: str | None
    """Category: ``ml_model``, ``dataset``, ``artifact``, or any other word."""
    tags: list[str] | None
    """Labels."""
    custom_metadata: dict[str, Any] | None
    """Free-form attributes."""
    created_at: datetime | None
    """When version 0 was saved; UTC."""
    created_by: str | None
    """Who saved version 0."""
    updated_at: datetime | None
    """When this version was saved; UTC."""
    updated_by: str | None
    """Who saved this version."""
    object_size_bytes: int | None
    """Size of the payload in bytes."""
    data_sha256: str | None
    """SHA-256 of the payload, 64 hexadecimal digits."""
    data_hash_algo: str | None
    """The digest's algorithm: ``sha256``."""
    storage_type: str | None
    """``in_object`` (inside the object's document) or ``gridfs`` (out of line)."""
    control_version: bool | None
    """Whether every version is kept."""
    pickle: bool | None
    """Whether the payload is a Python pickle."""

    def __init__(  # noqa: PLR0917 - the order of the Flowcept library, whose callers may pass positions
        self,
        object_id: str | None = None,
        task_id: str | None = None,
        workflow_id: str | None = None,
        type: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
        tags: list[str] | None = None,
        version: int = 0,
    ) -> None:
        for name in _FIELDS:
            setattr(self, name, None)
        self.object_id = object_id
        self.task_id = task_id
        self.workflow_id = workflow_id
        self.type = type
        self.custom_metadata = custom_metadata
        self.tags = tags
        self.version = version
        self._reader: PayloadReader | None = None
        self._data: bytes | None = None
        self._data_given = False

    @staticmethod
    def object_id_field() -> str:
        """Name of the field that identifies an object."""
        return "object_id"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], reader: PayloadReader | None = None) -> BlobObject:
        """A blob with every entry of ``values`` as an attribute; ``data``, if there, are its bytes.

        Args:
            values: The fields.
            reader: Reads the bytes, where they are not given.

        Raises:
            InvalidArgumentError: It is no dictionary, or a name is no string.
        """
        blob = cls()
        blob._reader = reader
        if not isinstance(values, Mapping):
            raise wrong_type("blob", values, "a dictionary")
        for name, value in values.items():
            if not isinstance(name, str):
                raise wrong_type("blob field name", name, "a string")
            setattr(blob, name, value)
        if blob.version is None:
            blob.version = 0
        return blob

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set; ``data`` only if it was given, never because it was loaded."""
        fields = {name: value for name, value in vars(self).items() if not name.startswith("_") and value is not None}
        if self._data_given:
            fields["data"] = self._data
        return fields

    @property
    def data(self) -> bytes:
        """The payload, loaded from exactly this version on first use and kept.

        Raises:
            NotFoundError: VERSION_NOT_RETAINED: the version was overwritten since, without version control.
            IntegrityError: The bytes are not those of the version.
            FlowceptError: The service cannot be reached, refuses, ...
            PreconditionError: The blob did not come from the service.
        """
        if self._data is None:
            self._data = self._payload().read(self, None)
        return self._data

    @data.setter
    def data(self, value: bytes) -> None:
        self._data = value
        self._data_given = True

    def open(self) -> io.BufferedReader:
        """The payload as a binary file: seekable, read by ranges as needed, in constant memory.

        What is read from beginning to end is verified.
        """
        if self._data is not None:
            return io.BufferedReader(io.BytesIO(self._data))
        return self._payload().open(self)

    def chunks(self, progress: Progress | None = None) -> Iterator[memoryview]:
        """The payload piece by piece, in constant memory; IntegrityError at the end if it is damaged."""
        if self._data is not None:
            return iter([memoryview(self._data)])
        return self._payload().iterate(self, progress)

    def save_to(self, path: str | os.PathLike[str], progress: Progress | None = None) -> Path:
        """Write the payload to a file, in constant memory.

        The bytes go to a ``.part`` file beside it, are verified and renamed; a download that was interrupted continues
        where it stopped.

        Args:
            path: The file; replaced if it exists.
            progress: Called with the bytes transferred and the total.

        Returns:
            The path.
        """
        target = Path(path)
        if self._data is not None:
            target.write_bytes(self._data)
        else:
            self._payload().save_to(self, target, progress)
        return target

    def unpickle(self) -> Any:
        """The Python object of a payload that was saved with ``pickle=True``.

        **Unpickling runs code that the payload contains: do this only with what you trust.**

        Raises:
            PreconditionError: The payload was not saved with ``pickle=True``.
        """
        if not self.pickle:
            raise PreconditionError(
                f"version {self.version} of object {shorten(self.object_id)} was not saved with pickle=True; read its "
                "bytes with .data or open()"
            )
        with self.open() as file:
            return pickle.load(file)  # noqa: S301 - the caller asked for it by name

    def keys(self) -> list[str]:
        """Names of the fields that are set."""
        return list(self.to_dict())

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or ``default`` when it is not set."""
        return self.to_dict().get(name, default)

    def __getitem__(self, name: str) -> Any:
        if name == "data":
            return self.data
        return self.to_dict()[name]

    def __contains__(self, name: object) -> bool:
        return name in self.to_dict()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlobObject) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # fields can be set

    def __repr__(self) -> str:
        return (
            f"BlobObject(object_id={self.object_id!r}, version={self.version}, type={self.type!r}, "
            f"object_size_bytes={self.object_size_bytes})"
        )

    def _payload(self) -> PayloadReader:
        if self._reader is None:
            raise PreconditionError(
                f"object {shorten(self.object_id)} carries no bytes: it was made here, not read from the service; use "
                "Flowcept.db.get_blob_object(object_id)"
            )
        return self._reader
