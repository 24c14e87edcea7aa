"""The document inserter: what stands between a published message and the store, as pure functions.

::

    prepared = prepare(message, settings, context, message_id=message_id)
    record = merge(existing, prepared, settings)  # in the store's transaction
    check_record_size(bson.encode(record))
"""

from flowcept_service.domain.limits import MAX_RECORD_BYTES, check_record_size
from flowcept_service.provenance.inserter.documents import surely_sound
from flowcept_service.provenance.inserter.enrichment import host_defaults
from flowcept_service.provenance.inserter.identity import infer_collection
from flowcept_service.provenance.inserter.merging import merge, merge_records
from flowcept_service.provenance.inserter.preparation import PreparedRecord, prepare
from flowcept_service.provenance.inserter.settings import Defaults, InserterSettings, PrepareContext, TagThresholds

__all__ = [
    "MAX_RECORD_BYTES",
    "Defaults",
    "InserterSettings",
    "PrepareContext",
    "PreparedRecord",
    "TagThresholds",
    "check_record_size",
    "host_defaults",
    "infer_collection",
    "merge",
    "merge_records",
    "prepare",
    "surely_sound",
]
