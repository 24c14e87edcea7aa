"""Field values are data: whatever keys and strings a record holds, they come back, merge and stay themselves."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter import InserterSettings, PrepareContext
from flowcept_service.provenance.publishing import IncomingMessage, Publisher
from tests.conformance.harness import StoreHarness

KEYS = st.sampled_from(["a", "a.b", ".", "", "$set", "$x", "$ref", "$id", "$db", "0", "é", "$$ROOT", "a.$[].b", "_id"])
TEXTS = st.sampled_from(["$used", "$$ROOT", "$a.b", "", "plain", "$", "a.b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.dictionaries(KEYS, VALUES, max_size=6)


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"end": 1}
    for _ in range(levels):
        value = {"n": value}
    return value


STRANGE: dict[str, dict[str, Any]] = {
    "dotted keys": {"a.b": 1, "a": {"b": 2}, ".": 3, "..": 4},
    "dollar keys": {"$set": {"x": 1}, "$inc": 1, "$": 2, "$ref": "c", "$id": "i", "$db": "d"},
    "empty keys": {"": {"": {"": 1}}},
    "dollar values": {"x": "$used", "y": ["$$ROOT", "$a.b"], "z": {"k": "$literal"}},
    "numbers as keys": {"0": "zero", "list": [{"0": 1}], "1": {"0": 2}},
    "deep nesting": deep(80),
    "many keys": {f"key-{n}": n for n in range(10_000)},
}


class FieldValueSuite:
    def publish(self, store: StoreHarness, *messages: dict[str, Any]) -> None:
        publisher = Publisher(store.storage.records, InserterSettings(), PrepareContext(store.clock, lambda: "made"))
        outcome = publisher.publish(messages, lambda message: IncomingMessage({"type": "task", **message}))
        assert not outcome.rejections
        assert outcome.stored == len(messages)

    def task(self, store: StoreHarness, task_id: str = "t") -> dict[str, Any]:
        found = store.storage.records.get(Collection.TASKS, task_id)
        assert found is not None
        return found

    @pytest.mark.parametrize("name", STRANGE)
    @pytest.mark.parametrize("field", ["used", "generated", "custom_metadata"])
    def test_strange_fields_come_back_and_are_found(self, store: StoreHarness, name: str, field: str) -> None:
        self.publish(store, {"task_id": "t", field: STRANGE[name]})

        assert self.task(store)[field] == STRANGE[name]
        (found,) = store.find(Collection.TASKS, {"task_id": "t"})
        assert found[field] == STRANGE[name]
        (event,) = store.events()
        assert event["document"][field] == STRANGE[name]

    @pytest.mark.parametrize("name", STRANGE)
    def test_strange_fields_are_merged_key_by_key(self, store: StoreHarness, name: str) -> None:
        self.publish(store, {"task_id": "t", "used": STRANGE[name]})
        self.publish(store, {"task_id": "t", "used": {"one more": 1}})
        self.publish(store, {"task_id": "t", "status": "FINISHED"}, {"task_id": "t", "used": {"$last": "$used"}})

        assert self.task(store)["used"] == {**STRANGE[name], "one more": 1, "$last": "$used"}

    @pytest.mark.parametrize("name", ["dotted keys", "dollar keys", "empty keys", "dollar values"])
    def test_strange_fields_of_the_top_level_are_kept(self, store: StoreHarness, name: str) -> None:
        fields = STRANGE[name]
        self.publish(store, {"task_id": "t", **fields})
        self.publish(store, {"task_id": "t", "status": "RUNNING"})

        found = self.task(store)
        assert {key: found[key] for key in fields} == fields

    def test_strange_metadata_of_objects_comes_back(self, store: StoreHarness) -> None:
        for name, fields in STRANGE.items():
            store.save(name, b"one", custom_metadata=fields)
            store.save(name, b"two", custom_metadata={**fields, "second": True})

            assert store.storage.objects.get(name, 0).custom_metadata == fields
            assert store.storage.objects.get(name).custom_metadata == {**fields, "second": True}

    def test_any_two_messages_merge_key_by_key(self, store: StoreHarness) -> None:
        # The store is shared by all examples, which a fixture of `given` would not allow.
        @settings(max_examples=25)
        @given(FIELDS, FIELDS)
        def merged(first: dict[str, Any], second: dict[str, Any]) -> None:
            name = str(next(numbers))
            self.publish(store, {"task_id": name, "utc_timestamp": 1.0, "used": first})
            self.publish(store, {"task_id": name, "utc_timestamp": 2.0, "used": second})

            known = {key: value for key, value in second.items() if value is not None or key not in first}
            assert self.task(store, name).get("used", {}) == {**first, **known}

        numbers = itertools.count()
        merged()
