"""Which payloads versions refer to: what the versions say, against what is noted about it."""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from bson import ObjectId

from flowcept_service.domain.records import Document
from flowcept_service.storage.documents import document_to_version
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._payloads.references import REFERENCE
from flowcept_service.storage.lmdb._tables import RECORDS
from flowcept_service.storage.lmdb.check._finding import Finding, Fix, Kind
from flowcept_service.storage.lmdb.check._rows import UNDECODABLE, drop, entries, has_pair, put, rows, value_of
from flowcept_service.storage.lmdb.offline import Snapshot


@dataclass(slots=True)
class Tally:
    """What the versions say about each payload; about 250 bytes of memory for each."""

    packed: dict[bytes, bytes] = field(default_factory=dict)
    """Size, number of versions, SHA-256 (zeros: not said), as in the table of references."""
    disagreeing: dict[bytes, str] = field(default_factory=dict)
    """Payloads that versions describe differently, with the later one of these."""

    def add(self, key: bytes, document: Document) -> None:
        """A version's document, from either collection."""
        del key
        try:
            version = document_to_version(document)
            digest = bytes.fromhex(version.data_sha256)
            if version.payload_id is None:
                return
            payload, size = version.payload_id.binary, version.object_size_bytes
        except (*UNDECODABLE, AttributeError):
            return
        known = self.packed.get(payload)
        if known is None:
            self.packed[payload] = REFERENCE.pack(size, 1, digest)
            return
        known_size, count, known_digest = REFERENCE.unpack(known)
        if (size, digest) != (known_size, known_digest):
            self.disagreeing[payload] = f"{version.object_id} version {version.version}"
        self.packed[payload] = REFERENCE.pack(known_size, count + 1, known_digest)

    def size(self, payload: bytes) -> int:
        """The size that versions say."""
        return int(REFERENCE.unpack(self.packed[payload])[0])

    def digest(self, payload: bytes) -> bytes:
        """The digest that versions say, or zeros."""
        digest: bytes = REFERENCE.unpack(self.packed[payload])[2]
        return digest


class ReferenceCheck:
    """The check of what is noted about payloads.

    Args:
        snapshot: The store.
        tally: What the versions say.
        doubtful: Payloads whose bytes are not what the versions say: what is noted may be what is right.
    """

    def __init__(self, snapshot: Snapshot, tally: Tally, doubtful: AnyCollection[bytes]) -> None:
        self._snapshot = snapshot
        self._tally = tally
        self._doubtful = doubtful

    def run(self) -> Iterator[Finding]:
        """What is wrong."""
        for payload, where in self._tally.disagreeing.items():
            problem = f"{where} says another size or digest than another version with the same bytes"
            yield Finding(Kind.VERSIONS_DISAGREE, "payloads", str(ObjectId(payload)), problem)
        yield from self._references()
        yield from self._digests()
        yield from self._garbage()
        yield from self._small()

    def _references(self) -> Iterator[Finding]:
        found = 0
        for payload, wanted in self._tally.packed.items():
            noted = value_of(self._snapshot, "payload_references", payload)
            found += noted is not None
            if noted == wanted:
                continue
            size, count, digest = REFERENCE.unpack(wanted)
            if noted is not None and not any(digest):
                # The versions do not say the digest; the copy that made them computed it.
                if REFERENCE.unpack(noted)[:2] == (size, count):
                    continue
                digest = REFERENCE.unpack(noted)[2]
            yield self._wrong(payload, noted, REFERENCE.pack(size, count, digest))
        if found != entries(self._snapshot, "payload_references"):
            for payload, _ in rows(self._snapshot, "payload_references"):
                if payload not in self._tally.packed:
                    yield self._stray(payload)

    def _wrong(self, payload: bytes, noted: bytes | None, wanted: bytes) -> Finding:
        unclear = payload in self._doubtful or payload in self._tally.disagreeing
        fix = None if unclear else put(self._snapshot, "payload_references", payload, wanted)
        name = str(ObjectId(payload))
        if noted is None:
            problem = "a version refers to the payload, and it is not noted to be in use"
            return Finding(Kind.REFERENCE_MISSING, "payload_references", name, problem, fix)
        (size, count, digest), (told_size, told_count, told) = REFERENCE.unpack(wanted), REFERENCE.unpack(noted)
        problem = (
            f"noted are {told_count} versions, {told_size} bytes and SHA-256 {told.hex()}; the versions are {count}, "
            f"with {size} bytes and SHA-256 {digest.hex()}"
        )
        return Finding(Kind.REFERENCE_WRONG, "payload_references", name, problem, fix)

    def _stray(self, payload: bytes) -> Finding:
        return Finding(
            Kind.REFERENCE_STRAY,
            "payload_references",
            str(ObjectId(payload)),
            "the payload is noted to be in use, and no version refers to it",
            Fix(RECORDS, partial(self._release, payload=payload)),
        )

    def _release(self, txn: WriteTransaction, *, payload: bytes) -> bool:
        """As when the last version lets go of a payload: the next sweep removes its bytes."""
        file = self._snapshot.record_file
        txn.delete(payload, file.table("payload_references"))
        txn.put(payload, b"", file.table("payload_garbage"))
        return False

    def _digests(self) -> Iterator[Finding]:
        found = 0
        with self._snapshot.records.cursor(self._snapshot.record_file.table("payload_digests")) as cursor:
            for payload in self._tally.packed:
                digest = self._known_digest(payload)
                if not any(digest) or has_pair(cursor, digest, payload):
                    found += any(digest)
                    continue
                fix = None if payload in self._doubtful else put(self._snapshot, "payload_digests", digest, payload)
                problem = f"the index of digests does not have the payload under {digest.hex()}"
                yield Finding(Kind.INDEX_MISSING, "payload_digests", str(ObjectId(payload)), problem, fix)
        if found == entries(self._snapshot, "payload_digests"):
            return
        for digest, payload in rows(self._snapshot, "payload_digests"):
            if payload not in self._tally.packed or self._known_digest(payload) != digest:
                problem = f"the index of digests leads to payload {ObjectId(payload)}, which is not in use or another"
                fix = drop(self._snapshot, "payload_digests", digest, payload)
                yield Finding(Kind.INDEX_STRAY, "payload_digests", digest.hex(), problem, fix)

    def _known_digest(self, payload: bytes) -> bytes:
        digest = self._tally.digest(payload)
        if any(digest):
            return digest
        noted = value_of(self._snapshot, "payload_references", payload)
        return digest if noted is None else bytes(REFERENCE.unpack(noted)[2])

    def _garbage(self) -> Iterator[Finding]:
        for payload, _ in rows(self._snapshot, "payload_garbage"):
            if payload in self._tally.packed:
                problem = "the payload is to be removed, and a version refers to it"
                fix = drop(self._snapshot, "payload_garbage", payload)
                yield Finding(Kind.REFERENCE_WRONG, "payload_garbage", str(ObjectId(payload)), problem, fix)

    def _small(self) -> Iterator[Finding]:
        for payload, data in rows(self._snapshot, "small_payloads"):
            if payload in self._tally.packed or value_of(self._snapshot, "payload_garbage", payload) is not None:
                continue
            if value_of(self._snapshot, "payload_references", payload) is not None:
                continue  # found already: it becomes garbage with its reference
            problem = f"{len(data):,} bytes are kept that no version refers to"
            fix = drop(self._snapshot, "small_payloads", payload)
            yield Finding(Kind.PAYLOAD_STRAY, "small_payloads", str(ObjectId(payload)), problem, fix)
