"""Calls to the service: the only part of the client that knows gRPC."""

from __future__ import annotations

from flowcept.transport._channel import open_separate_channel
from flowcept.transport._connection import Connection
from flowcept.transport._delete import Deleted, delete_consumer, delete_records
from flowcept.transport._digest import Digest
from flowcept.transport._download import Download
from flowcept.transport._event import Event, EventAction, EventKind
from flowcept.transport._files import download_to_file
from flowcept.transport._pipe import PipeWriter
from flowcept.transport._publish import Published, RejectedMessage, publish
from flowcept.transport._query import query
from flowcept.transport._reader import RangeReader
from flowcept.transport._retry import Timing
from flowcept.transport._source import PayloadSource, as_source, written_source
from flowcept.transport._stream import ResponseStream
from flowcept.transport._subscribe import EventBatch, EventSelection, Start, Subscription, acknowledge, subscribe
from flowcept.transport._upload import Progress, upload
from flowcept.transport._window import UploadNotResumableError

__all__ = [
    "Connection",
    "Deleted",
    "Digest",
    "Download",
    "Event",
    "EventAction",
    "EventBatch",
    "EventKind",
    "EventSelection",
    "PayloadSource",
    "PipeWriter",
    "Progress",
    "Published",
    "RangeReader",
    "RejectedMessage",
    "ResponseStream",
    "Start",
    "Subscription",
    "Timing",
    "UploadNotResumableError",
    "acknowledge",
    "as_source",
    "delete_consumer",
    "delete_records",
    "download_to_file",
    "open_separate_channel",
    "publish",
    "query",
    "subscribe",
    "upload",
    "written_source",
]
