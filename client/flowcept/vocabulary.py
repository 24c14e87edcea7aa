"""Names that records share."""

from __future__ import annotations

from enum import Enum, StrEnum


class Status(StrEnum):
    """Where a task or workflow stands. FINISHED and ERROR are final."""

    SUBMITTED = "SUBMITTED"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"
    UNKNOWN = "UNKNOWN"

    @staticmethod
    def get_finished_statuses() -> list[Status]:
        """The statuses that nothing follows."""
        return [Status.FINISHED, Status.ERROR]


class ML_Types(StrEnum):  # noqa: N801 - the name that callers of the Flowcept library import
    """Usual subtypes of machine-learning workflows and tasks."""

    WORKFLOW = "ml_workflow"
    DATA_PREP = "dataprep"
    LEARNING = "learning"
    MODEL_SELECTION = "model_selection"


class MimeType(Enum):
    """Usual media types of data attached to tasks."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    GIF = "image/gif"
    BMP = "image/bmp"
    TIFF = "image/tiff"
    WEBP = "image/webp"
    SVG = "image/svg+xml"
    PDF = "application/pdf"
    JSON = "application/json"
    CSV = "text/csv"
    JSONL = "application/x-ndjson"
