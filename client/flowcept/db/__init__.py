"""``Flowcept.db``: versioned blobs, models and datasets, and queries over everything that the service keeps."""

from __future__ import annotations

from functools import cache

from flowcept.db._api import DBAPI
from flowcept.db._blob_object import BlobObject
from flowcept.db._options import SaveConditions, SaveOptions

__all__ = ["DBAPI", "BlobObject", "SaveConditions", "SaveOptions", "default_db"]


@cache
def default_db() -> DBAPI:
    """The one behind ``Flowcept.db``: settings from environment and file, workflow and campaign of the running code."""
    from flowcept.capture import context

    return DBAPI(current_workflow_id=context.current_workflow_id, current_campaign_id=context.current_campaign_id)
