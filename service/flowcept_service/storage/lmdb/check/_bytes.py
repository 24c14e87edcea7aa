"""Payload bytes: all there, and those that were stored; and bytes that no version has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from bson import ObjectId

from flowcept_service.domain.objects import Staging
from flowcept_service.domain.records import Collection
from flowcept_service.storage.documents import document_to_version
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key
from flowcept_service.storage.lmdb._environment.pages import drop_pages
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._payloads.chunks import delete_chunks
from flowcept_service.storage.lmdb._payloads.staging import decode_staging
from flowcept_service.storage.lmdb._tables import PAYLOADS
from flowcept_service.storage.lmdb.check._finding import Finding, Fix, Kind
from flowcept_service.storage.lmdb.check._references import Tally
from flowcept_service.storage.lmdb.check._rows import UNDECODABLE, rows, text, try_decode, value_of
from flowcept_service.storage.lmdb.offline import Snapshot

_ID_BYTES: Final = 12
_LAST_OFFSET: Final = b"\xff" * 8
Advance = Callable[[int], None]
"""Told how many bytes were read."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the bytes of a payload are."""

    size: int
    """Up to the first hole."""
    sha256: bytes
    whole: bool
    """Whether there was no hole."""


class ByteCheck:
    """The check of all bytes.

    Args:
        snapshot: The store.
        tally: What the versions say.
        advance: Told how many bytes were read; may raise to end the check.
    """

    def __init__(self, snapshot: Snapshot, tally: Tally, advance: Advance) -> None:
        self._snapshot = snapshot
        self._tally = tally
        self._advance = advance
        self._chunks = snapshot.payload_file.table("chunks")
        self.bad: dict[bytes, Finding] = {}
        """Payloads whose bytes are not what the versions say."""
        self._staged: set[bytes] = set()
        self.staged_uploads = 0
        self.staged_bytes = 0

    def run(self) -> Iterator[Finding]:
        """What is wrong."""
        for payload in sorted(self._tally.packed):
            self._payload(payload)
        yield from self._named()
        yield from self._stagings()
        yield from self._leftovers()

    def _payload(self, payload: bytes) -> None:
        read = self._read(payload)
        size, digest = self._tally.size(payload), self._tally.digest(payload)
        name = str(ObjectId(payload))
        if read.size < size:
            hole = "" if read.whole else ", and then there is a hole"
            problem = f"{read.size:,} of {size:,} bytes are there{hole}"
            self.bad[payload] = Finding(Kind.PAYLOAD_MISSING, "payloads", name, problem)
        elif read.size > size or (any(digest) and read.sha256 != digest):
            problem = f"{read.size:,} bytes with SHA-256 {read.sha256.hex()} instead of {size:,} with {digest.hex()}"
            self.bad[payload] = Finding(Kind.PAYLOAD_CORRUPT, "payloads", name, problem)

    def _read(self, payload: bytes) -> _Read:
        small = value_of(self._snapshot, "small_payloads", payload)
        if small is not None:
            self._advance(len(small))
            return _Read(len(small), hashlib.sha256(small).digest(), whole=True)
        digest = hashlib.sha256()
        size = 0
        with self._snapshot.payloads.cursor(self._chunks) as cursor:
            found = cursor.set_range(payload)
            while found and bytes(cursor.key()[:_ID_BYTES]) == payload:
                if NUMBER.unpack(cursor.key()[_ID_BYTES:])[0] != size:
                    return _Read(size, digest.digest(), whole=False)
                value = cursor.value()
                digest.update(value)
                size += len(value)
                self._advance(len(value))
                drop_pages(value)
                found = cursor.next()
        return _Read(size, digest.digest(), whole=True)

    def _named(self) -> Iterator[Finding]:
        """The bad payloads, with the versions that have them."""
        if not self.bad:
            return
        versions: dict[bytes, list[str]] = {}
        for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
            for _, data in rows(self._snapshot, collection.value):
                try:
                    version = document_to_version(try_decode(data) or {})
                except UNDECODABLE:
                    continue
                if version.payload_id is not None and version.payload_id.binary in self.bad:
                    name = f"{version.object_id} version {version.version}"
                    versions.setdefault(version.payload_id.binary, []).append(name)
        for payload, finding in self.bad.items():
            what = ", ".join(versions.get(payload, [])[:10]) or finding.what
            yield Finding(finding.kind, finding.where, what, f"payload {finding.what}: {finding.problem}")

    def _stagings(self) -> Iterator[Finding]:
        """What is noted about uploads under way."""
        with self._snapshot.payloads.cursor(self._snapshot.payload_file.table("staging")) as cursor:
            found = [(bytes(key), bytes(value)) for key, value in cursor]
        for key, data in found:
            try:
                staging = decode_staging(data)
            except UNDECODABLE:
                fix = Fix(PAYLOADS, partial(self._forget, key=key, payload=None))
                yield Finding(Kind.STAGING, "staging", text(key), "the row cannot be decoded", fix)
                continue
            self._staged.add(staging.payload_id.binary)
            if staging.payload_id.binary in self._tally.packed:
                continue  # committed, and about to be forgotten
            size = self._extent(staging.payload_id.binary)
            if size != staging.size or key != text_key(staging.upload_id):
                yield self._wrong_staging(key, staging, size)
            else:
                self.staged_uploads += 1
                self.staged_bytes += size

    def _wrong_staging(self, key: bytes, staging: Staging, size: int) -> Finding:
        problem = f"{staging.size:,} bytes have arrived as noted, and {size:,} are there; the client has to begin again"
        fix = Fix(PAYLOADS, partial(self._forget, key=key, payload=staging.payload_id.binary))
        return Finding(Kind.STAGING, "staging", staging.upload_id, problem, fix)

    def _forget(self, txn: WriteTransaction, *, key: bytes, payload: bytes | None) -> bool:
        txn.delete(key, self._snapshot.payload_file.table("staging"))
        return payload is not None and self._drop(txn, payload=payload)

    def _drop(self, txn: WriteTransaction, *, payload: bytes) -> bool:
        return delete_chunks(txn, self._chunks, payload)

    def _extent(self, payload: bytes) -> int:
        """How many bytes of a payload there are before the first hole, without reading them."""
        size = 0
        with self._snapshot.payloads.cursor(self._chunks) as cursor:
            found = cursor.set_range(payload)
            while found and cursor.key() == payload + NUMBER.pack(size):
                size += len(cursor.value())
                found = cursor.next()
            # Bytes behind a hole are of no use, and make the upload as wrong as missing ones.
            return -1 if found and cursor.key()[:_ID_BYTES] == payload else size

    def _leftovers(self) -> Iterator[Finding]:
        for payload in self._with_bytes():
            known = payload in self._tally.packed or payload in self._staged
            if known or value_of(self._snapshot, "payload_garbage", payload) is not None:
                continue
            if value_of(self._snapshot, "payload_references", payload) is not None:
                continue  # noted to be in use: found there
            problem = f"{max(0, self._extent(payload)):,} bytes never became part of a version; sweeps remove them"
            fix = Fix(PAYLOADS, partial(self._drop, payload=payload))
            yield Finding(Kind.LEFTOVER, "payloads", str(ObjectId(payload)), problem, fix)

    def _with_bytes(self) -> Iterator[bytes]:
        with self._snapshot.payloads.cursor(self._chunks) as cursor:
            found = cursor.first()
            while found:
                payload = bytes(cursor.key()[:_ID_BYTES])
                yield payload
                found = cursor.set_range(payload + _LAST_OFFSET)
