"""What can be said about a save, and its form on the wire."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from flowcept.checks import text
from flowcept.db._messages import object_fields, version_number
from flowcept.errors import InvalidArgumentError
from flowcept.transport import Progress
from flowcept.v1 import blob_store_service_pb2 as pb


class SaveConditions(TypedDict, total=False):
    """Keyword arguments that every method that saves takes."""

    campaign_id: str | None
    """Its campaign; that of the running workflow when not given."""
    expected_version: int | None
    """Save only if this is the latest version; VersionConflictError otherwise."""
    must_not_exist: bool
    """Save only if the object does not exist; AlreadyExistsError otherwise."""
    progress: Progress | None
    """Called with the bytes transferred and the total (None if unknown), from another thread."""
    upload_id: str | None
    """Names this upload: repeating it, even from another process, continues it or returns its first result."""
    reuse_known: bool
    """Compute the digest first, and send the bytes only if the service does not hold them yet."""


@dataclass(frozen=True, slots=True)
class SaveOptions:
    """Everything beside the bytes that a save can be told: the arguments of ``save_or_update_object``."""

    object_id: str | None = None
    task_id: str | None = None
    workflow_id: str | None = None
    campaign_id: str | None = None
    type: str | None = None
    custom_metadata: Mapping[str, Any] | None = None
    tags: Sequence[str] | None = None
    save_data_in_collection: bool = False
    pickle: bool = False
    control_version: bool = False
    expected_version: int | None = None
    must_not_exist: bool = False
    progress: Progress | None = None
    upload_id: str | None = None
    reuse_known: bool = False

    def header(self, *, author: str | None, workflow_id: str | None, campaign_id: str | None) -> pb.UploadHeader:
        """The header of the upload.

        Args:
            author: Who saves.
            workflow_id: The workflow, where none is given.
            campaign_id: The campaign, where none is given.

        Raises:
            InvalidArgumentError: A value is wrong; ``metadata["field"]`` names it.
        """
        if self.must_not_exist and self.expected_version is not None:
            raise InvalidArgumentError(
                "must_not_exist and expected_version exclude each other; give one of them", field="expected_version"
            )
        header = pb.UploadHeader(
            upload_id=str(uuid.uuid4()) if self.upload_id is None else text("upload_id", self.upload_id),
            object_id=str(uuid.uuid4()) if self.object_id is None else text("object_id", self.object_id),
            fields=object_fields(
                task_id=self.task_id,
                workflow_id=workflow_id if self.workflow_id is None else self.workflow_id,
                campaign_id=campaign_id if self.campaign_id is None else self.campaign_id,
                type=self.type,
                tags=self.tags,
                custom_metadata=self.custom_metadata,
                author=author,
            ),
            control_version=self.control_version,
            save_data_in_collection=self.save_data_in_collection,
            pickle=self.pickle,
        )
        if self.must_not_exist:
            header.must_not_exist = True
        if (expected := version_number("expected_version", self.expected_version)) is not None:
            header.expected_version = expected
        return header
