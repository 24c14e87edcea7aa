"""Publishing: messages are checked and merged one by one, and stored together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from flowcept.errors import FlowceptError, InvalidArgumentError
from flowcept_service.domain.campaigns import Campaigns, campaign_denied, own_identifier, permits
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.merge_state import state_first
from flowcept_service.domain.quotas import Quota
from flowcept_service.domain.records import Collection, Document, EncodedRecord, Merge, RecordWrite, WriteOutcome
from flowcept_service.provenance.inserter import InserterSettings, PrepareContext, merge, merge_records, prepare
from flowcept_service.provenance.quotas import BatchQuota
from flowcept_service.query import decode
from flowcept_service.storage.contract import RecordStore
from flowcept_service.storage.records import encode_record

M = TypeVar("M")

MAX_MESSAGES = 10_000
"""Most messages in one batch: bounds the time that a batch holds up those behind it."""


class IncomingMessage(NamedTuple):
    """One message of a batch. A named tuple, because a dataclass that is frozen takes twice as long to make."""

    fields: Mapping[str, Any]
    """The fields of the record, under their stored names."""
    message_id: str = ""
    """Makes a repeat harmless; empty when there is none."""
    collection: Collection | None = None
    """Where the record belongs, when the message says so by its form."""
    sound: bool = False
    """As for ``inserter.prepare``."""


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """What became of a batch."""

    stored: int
    duplicates: int
    rejections: Sequence[tuple[int, FlowceptError]]
    """Index and error of each message that was not stored, by index."""
    last_sequence: int
    """Sequence of the last event of the batch; 0 when nothing was stored."""


class Publisher:
    """Takes batches of messages into a store."""

    def __init__(
        self, records: RecordStore, settings: InserterSettings, context: PrepareContext, quota: Quota | None = None
    ) -> None:
        """Publish into ``records``, the way that ``settings`` say, within the quota of each campaign."""
        self._quota = quota if quota is not None and quota.limit else None
        self._records = records
        self._settings = settings
        self._context = context

    def publish(
        self, messages: Sequence[M], read: Callable[[M], IncomingMessage], campaigns: Campaigns = None
    ) -> PublishOutcome:
        """Store a batch; durable on return.

        Args:
            messages: The messages, as they came.
            read: What a message says; raises InvalidArgumentError when it cannot be decoded. Each message is read when
                it is encoded for the store and not before: decoded, the messages of a few batches fill the processor's
                caches several times over, which makes everything slower by half.
            campaigns: The campaigns that the publisher is confined to. A message whose record is, or would be, in
                another one is rejected (CAMPAIGN_DENIED).

        Raises:
            InvalidArgumentError: the batch has more than ``MAX_MESSAGES`` messages.
            ResourceExhaustedError, UnavailableError: the store failed; no message may be assumed stored.
        """
        if len(messages) > MAX_MESSAGES:
            raise InvalidArgumentError(
                f"the batch has {len(messages)} messages, and at most {MAX_MESSAGES} are allowed; send several batches",
                field="messages",
                value=len(messages),
                limit=MAX_MESSAGES,
            )
        context = self._context.at_once()
        indexes: list[int] = []
        writes: list[RecordWrite] = []
        claimed: list[object] = []
        rejections: list[tuple[int, FlowceptError]] = []
        for index, given in enumerate(messages):
            try:
                message = read(given)
                writes.append(self._write_of(message, campaigns, context))
            except InvalidArgumentError as error:
                rejections.append((index, error))
                continue
            claimed.append(message.fields.get("campaign_id"))
            indexes.append(index)
        outcomes = self._write(writes, claimed)
        stored = duplicates = last_sequence = 0
        for index, outcome in zip(indexes, outcomes, strict=True):
            if outcome.error is not None:
                rejections.append((index, outcome.error))
            elif outcome.sequence:
                stored += 1
                last_sequence = max(last_sequence, outcome.sequence)
            else:
                duplicates += 1
        rejections.sort(key=_index)
        return PublishOutcome(stored, duplicates, rejections, last_sequence)

    def _write(self, writes: Sequence[RecordWrite], claimed: Sequence[object]) -> Sequence[WriteOutcome]:
        """Store what is to be written, each with the campaign that its message gives."""
        if not writes:
            return []
        if self._quota is None:
            return self._records.write(writes)
        quota = BatchQuota(self._quota, [name for name in claimed if isinstance(name, str) and name])
        outcomes = self._records.write([quota.guarded(*pair) for pair in zip(writes, claimed, strict=True)])
        quota.settle()
        return outcomes

    def _write_of(self, message: IncomingMessage, campaigns: Campaigns, context: PrepareContext) -> RecordWrite:
        fields, message_id, collection, sound = message
        if message_id:
            message_id = own_identifier(campaigns, check_identifier("message_id", message_id))
        settings = self._settings
        prepared = prepare(fields, settings, context, message_id=message_id, collection=collection, sound=sound)
        collection = prepared.collection
        alone = encode_record(collection, state_first(merge(None, prepared, settings)))
        merge_into = partial(_merge, alone, collection, settings)
        if campaigns is not None:
            merge_into = partial(_merge_confined, merge_into, campaigns, fields.get("campaign_id"))
        return RecordWrite(collection, prepared.record_id, message_id, merge_into)


def _merge(
    alone: EncodedRecord, collection: Collection, settings: InserterSettings, existing: Document | None
) -> EncodedRecord:
    """The record after a message, from what the message alone makes; most records are only ever written once."""
    if existing is None:
        return alone
    return encode_record(collection, state_first(merge_records(existing, decode(alone.data), collection, settings)))


def _merge_confined(
    merge_into: Merge, campaigns: frozenset[str], given: object, existing: Document | None
) -> EncodedRecord:
    """Merge, if the record is in one of some campaigns and stays there; the refusal tells only what was given."""
    if existing is not None and not permits(campaigns, existing.get("campaign_id")):
        raise campaign_denied(given)
    merged = merge_into(existing)
    if not permits(campaigns, merged.marks.get("campaign_id")):
        raise campaign_denied(given)
    return merged


def _index(rejection: tuple[int, FlowceptError]) -> int:
    return rejection[0]
