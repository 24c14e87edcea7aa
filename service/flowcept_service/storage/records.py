"""Records on their way into a store: encoded where they are made, in one form for every store."""

from __future__ import annotations

from flowcept_service.domain.limits import check_record_size
from flowcept_service.domain.merge_state import MERGE_STATE, visible_bson
from flowcept_service.domain.records import MARKS, Collection, Document, EncodedRecord
from flowcept_service.storage.documents import encode_document


def encode_record(collection: Collection, record: Document) -> EncodedRecord:
    """A record as stores keep it.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT, when BSON cannot hold it; RECORD_TOO_LARGE.
    """
    data = encode_document(record)
    check_record_size(data)
    marks = {name: record[name] for name in MARKS[collection] if name in record}
    return EncodedRecord(data, visible_bson(data) if MERGE_STATE in record else data, marks)
