"""Versioned blobs: saving, reading, comparing, deleting."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Unpack

from flowcept.checks import text
from flowcept.db._base import ServiceBound
from flowcept.db._blob_object import BlobObject
from flowcept.db._messages import blob_fields, object_fields, version_number
from flowcept.db._options import SaveConditions, SaveOptions
from flowcept.db._payload import ServicePayloads, payload_source
from flowcept.errors import NotFoundError
from flowcept.transport import Digest, PayloadSource, upload
from flowcept.v1 import blob_object_pb2
from flowcept.v1 import blob_store_service_pb2 as pb

_INLINE_BYTES = 128 << 10
"""Payloads up to this size come with their metadata; the service has the same bound."""
_PAGE_SIZE = 1000
_HISTORY_FIELDS = (
    "object_id",
    "version",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "prev_version",
    "task_id",
    "workflow_id",
    "type",
    "custom_metadata",
    "tags",
    "object_size_bytes",
    "data_sha256",
    "data_hash_algo",
    "storage_type",
    "pickle",
)
_FINGERPRINT_FIELDS = ("object_id", "version", "object_size_bytes", "data_sha256", "data_hash_algo", "storage_type")


class BlobMethods(ServiceBound):
    """The blob methods of ``Flowcept.db``. All are thread-safe; all raise the errors of ``flowcept.errors``."""

    def save_or_update_object(  # noqa: PLR0917 - the documented order of arguments
        self,
        object: Any,
        object_id: str | None = None,
        task_id: str | None = None,
        workflow_id: str | None = None,
        type: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
        save_data_in_collection: bool = False,
        pickle: bool = False,
        control_version: bool = False,
        tags: list[str] | None = None,
        **conditions: Unpack[SaveConditions],
    ) -> str:
        """Save bytes as a new object, or as the next version of an existing one.

        On an update, what is not given keeps its value; ``custom_metadata`` and ``tags``, when given, replace the old
        ones. The bytes are streamed in constant memory, broken connections are resumed, digests are compared on both
        sides.

        Args:
            object: Bytes, bytearray, memoryview or mmap; a path (``pathlib.Path``); a binary file object, from its
                present position; an iterator of bytes. With ``pickle=True`` anything that can be pickled.
            object_id: The object; made up when not given.
            task_id: The task that produced or consumed it.
            workflow_id: Its workflow; that of the running ``with Flowcept(...)`` when not given.
            type: Category label, such as ``artifact``.
            custom_metadata: Free-form attributes.
            save_data_in_collection: Keep the bytes inside the object's document; for small payloads.
            pickle: Pickle ``object`` here, and record that it is pickled.
            control_version: Keep every version from now on.
            tags: Labels.
            **conditions: See ``SaveConditions``: ``expected_version``, ``must_not_exist``, ``progress``,
                ``upload_id``, ``reuse_known``, ``campaign_id``.

        Returns:
            The ``object_id``.

        Raises:
            InvalidArgumentError: An argument is wrong; ``metadata["field"]`` names it, with the path inside metadata.
            VersionConflictError: ``expected_version`` is not the latest; ``current_version`` tells which is.
            AlreadyExistsError: ``must_not_exist``, and it does.
            IntegrityError: What was stored is not what was sent.
            ResourceExhaustedError: The service's disk is full.
            UnavailableError, DeadlineError: The service stays away.
            UploadNotResumableError: The connection broke too far back for a source that cannot be read again.
            OSError: A file cannot be read.
        """
        options = SaveOptions(
            object_id=object_id,
            task_id=task_id,
            workflow_id=workflow_id,
            type=type,
            custom_metadata=custom_metadata,
            save_data_in_collection=save_data_in_collection,
            pickle=pickle,
            control_version=control_version,
            tags=tags,
            **conditions,
        )
        return self.save_blob(object, options).object_id or ""

    def save_blob(self, object: Any, options: SaveOptions | None = None) -> BlobObject:
        """Like ``save_or_update_object``, and returns the version that was saved."""
        options = options or SaveOptions()
        # What is wrong with the metadata is said before a file is opened or a pickler runs.
        header = self._header(options)
        piece_size = self.connection.settings.chunk_size
        with closing(payload_source(object, pickle=options.pickle, piece_size=piece_size)) as source:
            return self._upload(header, source, options)

    def get_blob_object(self, object_id: str, version: int | None = None) -> BlobObject:
        """The latest version, or exactly ``version``; its bytes are loaded when they are first asked for.

        A few bytes (up to 128 KiB) come along at once: another call would cost more.

        Raises:
            NotFoundError: There is no such object or version. It is a ``ValueError`` too.
        """
        return self._get(object_id, version, _INLINE_BYTES)

    def get_blob_fingerprint(self, object_id: str, version: int | None = None) -> dict[str, Any]:
        """Size and digest of a version, without its bytes.

        Returns:
            ``object_id``, ``version``, ``object_size_bytes``, ``data_sha256``, ``data_hash_algo``, ``storage_type``.

        Raises:
            NotFoundError: There is no such object or version.
        """
        blob = self._get(object_id, version)
        return {name: getattr(blob, name) for name in _FINGERPRINT_FIELDS}

    def blob_objects_equal(
        self,
        object_id_a: str,
        object_id_b: str,
        version_a: int | None = None,
        version_b: int | None = None,
        fallback_to_payload: bool = False,
    ) -> bool:
        """Whether two versions hold the same bytes, by their fingerprints.

        Args:
            object_id_a: One object.
            object_id_b: The other.
            version_a: Its version; the latest when not given.
            version_b: Its version; the latest when not given.
            fallback_to_payload: Download and compare the bytes where a digest was not recorded; else they count as
                different.

        Raises:
            NotFoundError: There is no such object or version.
        """
        a = self._get(object_id_a, version_a)
        b = self._get(object_id_b, version_b)
        if a.object_size_bytes != b.object_size_bytes:
            return False
        if a.data_sha256 and b.data_sha256:
            return a.data_sha256 == b.data_sha256
        return fallback_to_payload and _digest_of(a) == _digest_of(b)

    def get_object_history(self, object_id: str) -> list[dict[str, Any]]:
        """The versions that are kept, newest first, without their bytes; empty for an unknown object."""
        try:
            return [{name: getattr(blob, name) for name in _HISTORY_FIELDS} for blob in self.iter_versions(object_id)]
        except NotFoundError:
            return []

    def list_object_versions(self, object_id: str) -> list[dict[str, Any]]:
        """Another name of ``get_object_history``."""
        return self.get_object_history(object_id)

    def iter_versions(self, object_id: str) -> Iterator[BlobObject]:
        """The versions that are kept, newest first, fetched page by page.

        Raises:
            NotFoundError: There is no such object.
        """
        request = pb.ListVersionsRequest(object_id=text("object_id", object_id), page_size=_PAGE_SIZE)
        while True:
            page = self.connection.call(lambda stubs: stubs.blobs.ListVersions, request)
            yield from map(self._blob, page.objects)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def update_object_metadata(  # noqa: PLR0917 - the documented order of arguments
        self,
        object_id: str,
        custom_metadata: dict[str, Any] | None = None,
        tags: list[str] | None = None,
        type: str | None = None,
        task_id: str | None = None,
        workflow_id: str | None = None,
        control_version: bool = True,
        *,
        campaign_id: str | None = None,
        expected_version: int | None = None,
    ) -> str:
        """Give an object new metadata: a new version with the bytes of the latest one, none of which is sent.

        Args:
            object_id: The object.
            custom_metadata: Replaces the attributes; kept when not given, like the others.
            tags: Replaces the labels.
            type: Category label.
            task_id: The task.
            workflow_id: The workflow.
            control_version: Keep every version from now on.
            campaign_id: The campaign.
            expected_version: Change only if this is the latest version.

        Returns:
            The ``object_id``. Nothing happens when no new value is given.

        Raises:
            NotFoundError: There is no such object.
            VersionConflictError: ``expected_version`` is not the latest.
            InvalidArgumentError: An argument is wrong.
        """
        given = (custom_metadata, tags, type, task_id, workflow_id, campaign_id)
        if all(value is None for value in given):
            return self._get(object_id).object_id or ""
        request = pb.UpdateObjectRequest(
            object_id=text("object_id", object_id),
            fields=object_fields(
                task_id=task_id,
                workflow_id=workflow_id,
                campaign_id=campaign_id,
                type=type,
                tags=tags,
                custom_metadata=custom_metadata,
                author=self._author(),
            ),
            control_version=control_version,
            expected_version=version_number("expected_version", expected_version),
            request_id=str(uuid.uuid4()),
        )
        return self.connection.call(lambda stubs: stubs.blobs.UpdateObject, request).object.object_id

    def delete_object(self, object_id: str, expected_version: int | None = None) -> BlobObject:
        """Delete an object; returns its latest version, as it was.

        Raises:
            NotFoundError: There is no such object.
            PreconditionError: Its history is controlled, and history is append-only.
            VersionConflictError: ``expected_version`` is not the latest.
        """
        request = pb.DeleteObjectRequest(
            object_id=text("object_id", object_id),
            expected_version=version_number("expected_version", expected_version),
        )
        return self._blob(self.connection.call_unrepeatable(lambda stubs: stubs.blobs.DeleteObject, request).object)

    def upload_state(self, upload_id: str) -> tuple[int, BlobObject | None]:
        """How many bytes of an upload are staged, and the version once it was committed."""
        request = pb.GetUploadRequest(upload_id=text("upload_id", upload_id))
        state = self.connection.call(lambda stubs: stubs.blobs.GetUpload, request)
        return state.staged_bytes, self._blob(state.object) if state.HasField("object") else None

    def abort_upload(self, upload_id: str) -> bool:
        """Drop what an upload has staged; whether there was anything."""
        request = pb.AbortUploadRequest(upload_id=text("upload_id", upload_id))
        return self.connection.call(lambda stubs: stubs.blobs.AbortUpload, request).existed

    def _header(self, options: SaveOptions) -> pb.UploadHeader:
        return options.header(
            author=self._author(), workflow_id=self._current_workflow_id(), campaign_id=self._current_campaign_id()
        )

    def _upload(self, header: pb.UploadHeader, source: PayloadSource, options: SaveOptions) -> BlobObject:
        response = upload(
            self.connection,
            header,
            source,
            progress=options.progress,
            begun=options.upload_id is not None,
            reuse_known=options.reuse_known,
        )
        return self._blob(response.object)

    def _get(self, object_id: str, version: int | None = None, max_inline_bytes: int = 0) -> BlobObject:
        request = pb.GetObjectRequest(
            object_id=text("object_id", object_id),
            version=version_number("version", version),
            max_inline_bytes=max_inline_bytes,
        )
        response = self.connection.call(lambda stubs: stubs.blobs.GetObject, request)
        data = response.data if response.HasField("data") else None
        if data is not None and response.object.data_sha256 not in {"", hashlib.sha256(data).hexdigest()}:
            data = None  # damaged: whoever asks for the bytes downloads them, and is told where
        return self._blob(response.object, data)

    def _blob(self, message: blob_object_pb2.BlobObject, data: bytes | None = None) -> BlobObject:
        return BlobObject.from_dict(blob_fields(message), ServicePayloads(self.connection, data))


def _digest_of(blob: BlobObject) -> str:
    with Digest() as digest:
        for piece in blob.chunks():
            digest.update(digest.position, piece)
        return digest.hexdigest()
