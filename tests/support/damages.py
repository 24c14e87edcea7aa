"""A store that is damaged behind its back: what a hand in its tables can do, and what `check` is to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
import lmdb

from flowcept_service.storage.lmdb._environment.environment import META
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key, version_key
from flowcept_service.storage.lmdb._tables import TABLES

SHA_OF_NEW = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"


class Hand:
    """Reaches into a store's tables."""

    def __init__(self, txn: lmdb.Transaction[bytes], tables: dict[str, Any]) -> None:
        self.txn = txn
        self.tables = tables

    def get(self, table: str, key: bytes) -> bytes:
        value = self.txn.get(key, db=self.tables[table])
        assert value is not None
        return value

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self.txn.put(key, value, db=self.tables[table])

    def delete(self, table: str, key: bytes, value: bytes = b"") -> None:
        assert self.txn.delete(key, value, db=self.tables[table])

    def first(self, table: str) -> tuple[bytes, bytes]:
        with self.txn.cursor(self.tables[table]) as cursor:
            assert cursor.first()
            return cursor.item()

    def nth(self, table: str, number: int) -> tuple[bytes, bytes]:
        with self.txn.cursor(self.tables[table]) as cursor:
            return list(cursor)[number]

    def row(self, collection: str, key: bytes) -> bytes:
        return self.get(f"{collection}._id", key)

    def change(self, collection: str, key: bytes, **fields: Any) -> None:
        row = self.row(collection, key)
        self.put(collection, row, bson.encode({**bson.decode(self.get(collection, row)), **fields}))

    def payload(self, collection: str, key: bytes) -> bytes:
        document = bson.decode(self.get(collection, self.row(collection, key)))
        payload: bytes = (document.get("grid_fs_file_id") or document["payload_id"]).binary
        return payload

    def flip(self, table: str, key: bytes, at: int = -1) -> None:
        value = bytearray(self.get(table, key))
        value[at] ^= 1
        self.put(table, key, bytes(value))


@contextmanager
def inside(store: Path, role: str) -> Iterator[Hand]:
    with lmdb.open(str(store / role), max_dbs=64, map_size=1 << 30, lib_version=0) as environment:
        tables = {name: environment.open_db(name.encode(), create=False) for name in (*TABLES[role], META)}
        with environment.begin(write=True) as txn:
            yield Hand(txn, tables)


Damage = Callable[[Hand], object]
TASK = text_key("t3")
LARGE_1 = version_key("large", 1)


@dataclass(frozen=True)
class Case:
    """A damage, and what is to be found."""

    name: str
    damage: Damage
    finds: list[str]
    role: str = "records"


def _duplicate(hand: Hand) -> None:
    last = NUMBER.unpack(hand.nth("tasks", -1)[0])[0]
    row = NUMBER.pack(last + 1)
    document = bson.decode(hand.get("tasks", hand.row("tasks", TASK)))
    hand.put("tasks", row, bson.encode({"task_id": document["task_id"]}))


def _unfinished_upload(hand: Hand) -> None:
    with hand.txn.cursor(hand.tables["chunks"]) as cursor:
        payloads = [key[:12] for key in cursor.iternext(values=False)]
    staged = bson.decode(hand.first("staging")[1])["payload_id"].binary
    assert staged in payloads
    with hand.txn.cursor(hand.tables["chunks"]) as cursor:
        assert cursor.set_range(staged)
        assert cursor.delete()


REPAIRABLE = [
    Case("a name is lost", lambda hand: hand.delete("tasks._id", TASK), ["key-missing"]),
    Case(
        "a name leads elsewhere",
        lambda hand: hand.put("tasks._id", TASK, NUMBER.pack(10**6)),
        ["key-missing"],
    ),
    Case("a name leads nowhere", lambda hand: hand.put("tasks._id", b"ghost", NUMBER.pack(10**6)), ["key-stray"]),
    Case(
        "an index entry is lost",
        lambda hand: hand.delete("tasks.workflow_id", b"w0", hand.row("tasks", TASK)),
        ["index-missing"],
    ),
    Case(
        "an index entry leads nowhere",
        lambda hand: hand.put("tasks.workflow_id", b"w0", NUMBER.pack(10**6)),
        ["index-stray"],
    ),
    Case(
        "an index entry is that of another value",
        lambda hand: hand.put("tasks.workflow_id", b"w500", hand.row("tasks", TASK)),
        ["index-stray"],
    ),
    Case(
        "a digest is not indexed",
        lambda hand: hand.delete("payload_digests", *hand.first("payload_digests")),
        ["index-missing"],
    ),
    Case(
        "the index of digests leads nowhere",
        lambda hand: hand.put("payload_digests", b"d" * 32, b"p" * 12),
        ["index-stray"],
    ),
    Case(
        "a version names another one before it",
        lambda hand: hand.change("object_history", LARGE_1, prev_version=7),
        ["version-link"],
    ),
    Case("the log forgot its bounds", lambda hand: hand.delete(META, b"log"), ["log-bounds"]),
    Case("the log's size is wrong", lambda hand: hand.flip(META, b"log"), ["log-bounds"]),
    Case(
        "something is kept for events that were trimmed",
        lambda hand: hand.put("event_requests", NUMBER.pack(10**6), b"\x01x"),
        ["log-stray"],
    ),
    Case("a message is not known", lambda hand: hand.delete("messages", b"m3"), ["message-missing"]),
    Case("a message is of no event", lambda hand: hand.put("messages", b"ghost", NUMBER.pack(3)), ["message-stray"]),
    Case(
        "a payload's reference is lost",
        lambda hand: hand.delete("payload_references", hand.payload("objects", text_key("large"))),
        ["reference-missing"],
    ),
    Case(
        "a payload's references are counted wrong",
        lambda hand: hand.flip("payload_references", hand.payload("objects", text_key("large")), 15),
        ["reference-wrong"],
    ),
    Case(
        "a payload is in use by nobody",
        lambda hand: hand.put("payload_references", b"p" * 12, bytes(48)),
        ["reference-stray"],
    ),
    Case(
        "a payload in use is to be removed",
        lambda hand: hand.put("payload_garbage", hand.payload("objects", text_key("large")), b""),
        ["reference-wrong"],
    ),
    Case("small bytes are of no version", lambda hand: hand.put("small_payloads", b"p" * 12, b"x"), ["payload-stray"]),
    Case(
        "bytes are of no version", lambda hand: hand.put("chunks", b"p" * 12 + bytes(8), b"x"), ["leftover"], "payloads"
    ),
    Case("an upload has lost bytes", _unfinished_upload, ["staging"], "payloads"),
    Case("an upload cannot be read", lambda hand: hand.put("staging", b"u", b"?"), ["staging"], "payloads"),
    Case(
        "a result would be kept for ever",
        lambda hand: hand.delete("request_times", *hand.first("request_times")),
        ["request"],
    ),
]

LOST = [
    Case(
        "a document cannot be decoded",
        lambda hand: hand.put("tasks", hand.row("tasks", TASK), b"not BSON at all"),
        ["document-unreadable"],
    ),
    Case("there are two documents of a name", _duplicate, ["document-duplicate"]),
    Case(
        "the last bytes of a version are lost",
        lambda hand: hand.delete("chunks", *_chunk(hand, -1)),
        ["payload-missing"],
        "payloads",
    ),
    Case(
        "a byte of a version is another",
        lambda hand: hand.flip("chunks", _chunk(hand, 0)[0], 17),
        ["payload-corrupt"],
        "payloads",
    ),
    Case(
        "a byte of a small version is another",
        lambda hand: hand.flip("small_payloads", hand.payload("objects", text_key("inside"))),
        ["payload-corrupt"],
    ),
    Case("a block of events is lost", lambda hand: hand.delete("events", hand.nth("events", 2)[0]), ["log-gap"]),
    Case(
        "the last block of events is lost", lambda hand: hand.delete("events", hand.nth("events", -1)[0]), ["log-gap"]
    ),
    Case("a block cannot be decoded", lambda hand: _garble(hand, b"\xff" * 50), ["log-unreadable"]),
    Case("a block lacks its last event", lambda hand: _garble(hand, b""), ["log-unreadable"]),
    Case("a consumer is ahead", lambda hand: hand.put("consumers", b"c", NUMBER.pack(10**6)), ["consumer"]),
    Case("a result cannot be read", lambda hand: hand.put("requests", hand.first("requests")[0], b"?"), ["request"]),
]


def _chunk(hand: Hand, number: int) -> tuple[bytes, bytes]:
    staged = bson.decode(hand.first("staging")[1])["payload_id"].binary
    with hand.txn.cursor(hand.tables["chunks"]) as cursor:
        rows = [(key, value) for key, value in cursor if key[:12] != staged and len(value) >= 1 << 20]
    first = rows[0][0][:12]
    return [row for row in rows if row[0][:12] == first][number]


def _garble(hand: Hand, end: bytes) -> None:
    key, value = hand.nth("events", 1)
    hand.put("events", key, value[:100] + end if end else value[:16])
    bounds = bytearray(hand.get(META, b"log"))
    size = int.from_bytes(bounds[16:], "big") - len(value) + len(hand.get("events", key))
    hand.put(META, b"log", bytes(bounds[:16]) + size.to_bytes(8, "big"))
