"""What every ``RecordStore.find`` promises. The filter language itself has tests of its own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial
from typing import Any

import bson
import pytest

from flowcept_service.domain.records import INDEXED_FIELDS, RECORD_KINDS, Collection
from flowcept_service.query import parse_query
from tests.conformance.harness import StoreHarness, in_parallel, record, task

EVERYTHING: list[dict[str, Any]] = [
    {},
    {"workflow_id": "w"},
    {"workflow_id": {"$in": ["w", "v"]}},
    {"n": {"$gte": 0}},
]
"""Filters that find all of the documents below, each in a way of its own."""


def ids(documents: list[dict[str, Any]]) -> list[str]:
    return [document["task_id"] for document in documents]


class FindingRecords:
    @pytest.mark.parametrize("pattern", ["(x*)*y", "(x+x+)+zy", "(x|xx)+zy", "x*x*x*x*zy", "^(x|x)*zy$"])
    @pytest.mark.parametrize("negated", [False, True])
    def test_patterns_that_make_others_backtrack_find_what_they_match(
        self, store: StoreHarness, pattern: str, negated: bool
    ) -> None:
        store.storage.records.write([task("t1", text="x" * 30_000 + "zy"), task("t2", text="x" * 30_000 + "z")])
        condition = {"$not": {"$regex": pattern}} if negated else {"$regex": pattern}
        assert ids(store.find(Collection.TASKS, {"text": condition})) == ["t2" if negated else "t1"]

    def test_an_empty_filter_finds_everything(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}") for n in range(3)])

        assert sorted(ids(store.find(Collection.TASKS))) == ["t0", "t1", "t2"]

    def test_an_empty_collection_has_nothing(self, store: StoreHarness) -> None:
        for collection in Collection:
            assert store.find(collection) == []
            assert store.storage.records.count(collection) == 0

    @pytest.mark.parametrize(
        ("collection", "field"), [(kind, field) for kind in RECORD_KINDS for field in INDEXED_FIELDS[kind]]
    )
    def test_an_equality_on_an_indexed_field_finds_its_documents(
        self, store: StoreHarness, collection: Collection, field: str
    ) -> None:
        identifier = INDEXED_FIELDS[collection][0]
        fields: list[dict[str, Any]] = [{} if field == identifier else {field: f"v{n % 3}"} for n in range(9)]
        store.storage.records.write([record(collection, f"id{n}", **fields[n]) for n in range(9)])
        value, expected = ("id4", 1) if field == identifier else ("v1", 3)

        found = store.find(collection, {field: value})

        assert [document[field] for document in found] == [value] * expected
        assert store.find(collection, {field: "other"}) == []

    def test_several_values_find_each_document_once(self, store: StoreHarness) -> None:
        store.storage.records.write(
            [task(f"t{n}", workflow_id=f"w{n % 5}") for n in range(50)] + [task("both", workflow_id=["w1", "w2"])]
        )

        found = store.find(Collection.TASKS, {"workflow_id": {"$in": ["w1", "w2", "other"]}})

        assert sorted(ids(found)) == sorted(["both", *(f"t{n}" for n in range(50) if n % 5 in (1, 2))])

    def test_an_element_of_an_array_is_found(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", workflow_id=["w1", "w2"]), task("t2", workflow_id=[["w1"]])])

        assert ids(store.find(Collection.TASKS, {"workflow_id": "w2"})) == ["t1"]
        assert ids(store.find(Collection.TASKS, {"workflow_id": "w1"})) == ["t1"]

    @pytest.mark.parametrize("query", [{"workflow_id": None}, {"workflow_id": 5}, {"workflow_id": {"$ne": "w"}}])
    def test_what_no_index_knows_is_found_all_the_same(self, store: StoreHarness, query: dict[str, Any]) -> None:
        values: list[Mapping[str, Any]] = [{"workflow_id": "w"}, {"workflow_id": 5}, {"workflow_id": None}, {}]
        store.storage.records.write([task(f"t{n}", **fields) for n, fields in enumerate(values)])
        expected = {"None": ["t2", "t3"], "5": ["t1"]}.get(str(query["workflow_id"]), ["t1", "t2", "t3"])

        assert sorted(ids(store.find(Collection.TASKS, query))) == expected

    def test_many_identifiers_are_found(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}") for n in range(2500)])
        wanted = [f"t{n}" for n in range(0, 5000, 2)]

        found = store.find(Collection.TASKS, {"task_id": {"$in": wanted}})

        assert sorted(ids(found)) == sorted(f"t{n}" for n in range(0, 2500, 2))

    def test_an_index_with_more_conditions_finds_only_what_meets_all(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", workflow_id="w", n=n) for n in range(10)])

        found = store.find(Collection.TASKS, {"workflow_id": "w", "n": {"$gt": 7}, "task_id": {"$in": ["t1", "t9"]}})

        assert ids(found) == ["t9"]

    def test_a_long_value_is_found_and_told_from_others(self, store: StoreHarness) -> None:
        names = ["é" * 400 + end for end in "ab"]
        store.storage.records.write([record(Collection.WORKFLOWS, f"w{n}", name=name) for n, name in enumerate(names)])

        (found,) = store.find(Collection.WORKFLOWS, {"name": names[1]})

        assert found["workflow_id"] == "w1"

    def test_an_empty_value_is_found(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", activity_id=""), task("t2", activity_id="a"), task("t3")])

        assert ids(store.find(Collection.TASKS, {"activity_id": ""})) == ["t1"]

    def test_indexes_follow_updates(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", workflow_id="old"), task("t2", workflow_id="old")])
        store.storage.records.write([task("t1", workflow_id="new"), task("t2", workflow_id=None)])

        assert store.find(Collection.TASKS, {"workflow_id": "old"}) == []
        assert ids(store.find(Collection.TASKS, {"workflow_id": "new"})) == ["t1"]
        assert ids(store.find(Collection.TASKS, {"workflow_id": None})) == ["t2"]

    def test_indexes_outlive_the_process(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", activity_id=f"a{n % 2}") for n in range(10)])
        store.reopen()
        store.storage.records.write([task("t10", activity_id="a0")])

        assert len(store.find(Collection.TASKS, {"activity_id": "a0"})) == 6

    def test_sort_skip_limit_and_projection_apply(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", workflow_id="w", n=n) for n in range(20)])

        found = store.find(Collection.TASKS, {"workflow_id": "w"}, ["n"], [("n", -1)], skip=1, limit=2)

        assert found == [{"n": 18}, {"n": 17}]

    def test_aggregations_apply(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", workflow_id=f"w{n % 2}", n=n) for n in range(4)])

        found = store.find(
            Collection.TASKS, sort=[("workflow_id", 1)], aggregations=[("sum", "n")], group_by=["workflow_id"]
        )

        assert found == [{"workflow_id": "w0", "sum_n": 2}, {"workflow_id": "w1", "sum_n": 4}]

    @pytest.mark.parametrize("query", EVERYTHING)
    def test_large_answers_are_complete(self, store: StoreHarness, query: dict[str, Any]) -> None:
        for part in range(4):
            store.storage.records.write(
                [task(f"t{part}-{n}", workflow_id="w", n=n, filling="x" * 2000) for n in range(500)]
            )

        assert len({*ids(store.find(Collection.TASKS, query))}) == 2000

    @pytest.mark.parametrize("query", EVERYTHING)
    def test_an_answer_can_be_given_up(self, store: StoreHarness, query: dict[str, Any]) -> None:
        store.storage.records.write([task(f"t{n}", workflow_id="w", n=n, filling="x" * 2000) for n in range(500)])
        found = store.storage.records.find(Collection.TASKS, parse_query(query))
        next(found)

        found.close()

        assert list(found) == []
        store.storage.records.write([task("after")])

    def test_writers_are_not_held_up_by_a_slow_reader(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", workflow_id="w", filling="x" * 2000) for n in range(1000)])
        found = store.storage.records.find(Collection.TASKS, parse_query({"workflow_id": "w"}))
        seen = {bson.decode(next(found))["task_id"]}
        for part in range(10):
            store.storage.records.write([task(f"u{part}-{n}", filling="x" * 2000) for n in range(100)])
        store.storage.records.delete("workflow_id", "other")

        seen.update(bson.decode(data)["task_id"] for data in found)

        assert {f"t{n}" for n in range(1000)} <= seen

    def test_a_reader_never_sees_what_does_not_match(self, store: StoreHarness) -> None:
        """Records that are deleted or changed while an answer streams are left out, or come as they were."""
        store.storage.records.write([task(f"t{n}", workflow_id="w", filling="x" * 1000) for n in range(1000)])
        found = store.storage.records.find(Collection.TASKS, parse_query({"workflow_id": {"$in": ["w", "v"]}}))
        first = next(found)
        store.storage.records.delete("workflow_id", "w")
        store.storage.records.write([task(f"n{n}", workflow_id="another") for n in range(1000)])

        documents = [bson.decode(data) for data in itertools.chain([first], found)]

        assert {document["workflow_id"] for document in documents} == {"w"}
        assert len({*ids(documents)}) == len(documents)

    def test_readers_and_writers_work_at_the_same_time(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", workflow_id="w") for n in range(100)])

        def read() -> int:
            return min(len(store.find(Collection.TASKS, {"workflow_id": "w"})) for _ in range(20))

        def write(client: int) -> int:
            for n in range(20):
                store.storage.records.write([task(f"c{client}-{n}-{k}", workflow_id="w", k=k) for k in range(10)])
            return 100

        results = in_parallel([read] * 4 + [partial(write, client) for client in range(4)])

        assert min(results) == 100
        assert len(store.find(Collection.TASKS, {"workflow_id": "w"})) == 900


class FindingObjects:
    def test_latest_versions_and_history_are_collections(self, store: StoreHarness) -> None:
        store.save("a", b"one", workflow_id="w", type="ml_model")
        store.save("a", b"two")
        store.save("b", b"three", workflow_id="w")

        latest = store.find(Collection.OBJECTS, {"workflow_id": "w"})
        history = store.find(Collection.OBJECT_HISTORY, {"object_id": "a"})

        assert sorted((document["object_id"], document["version"]) for document in latest) == [("a", 1), ("b", 0)]
        assert [(document["object_id"], document["version"]) for document in history] == [("a", 0)]
        assert store.storage.records.count(Collection.OBJECTS) == 2
        assert store.storage.records.count(Collection.OBJECT_HISTORY) == 1

    @pytest.mark.parametrize("field", INDEXED_FIELDS[Collection.OBJECTS])
    def test_an_equality_on_an_indexed_field_finds_objects(self, store: StoreHarness, field: str) -> None:
        links: dict[str, Any] = {"workflow_id": "w", "task_id": "t", "campaign_id": "c", "type": "ml_model"}
        version = store.save("a", b"one", **links).object
        store.save("b", b"two")

        (found,) = store.find(Collection.OBJECTS, {field: getattr(version, field)})

        assert found["object_id"] == "a"

    @pytest.mark.parametrize("in_object", [False, True])
    def test_documents_never_carry_bytes(self, store: StoreHarness, in_object: bool) -> None:
        store.save("a", b"first secret", in_object=in_object)
        store.save("a", b"second secret", in_object=in_object)

        for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
            for query in ({}, {"object_id": "a"}, {"version": {"$gte": 0}}):
                (document,) = store.find(collection, query)
                assert "data" not in document
                assert b"secret" not in bson.encode(document)

    def test_a_document_has_the_fields_of_the_schema(self, store: StoreHarness) -> None:
        store.save("a", b"one", workflow_id="w", tags=("x", "y"), custom_metadata={"k": {"n": 1}}, author="ann")

        (document,) = store.find(Collection.OBJECTS)

        payload_id = document.pop("grid_fs_file_id")
        assert payload_id in store.held_payloads()
        moment = store.clock()
        assert document.pop("created_at") == moment
        assert document.pop("updated_at") == moment
        assert document == {
            "object_id": "a",
            "version": 0,
            "prev_version": None,
            "workflow_id": "w",
            "tags": ["x", "y"],
            "custom_metadata": {"k": {"n": 1}},
            "created_by": "ann",
            "updated_by": "ann",
            "object_size_bytes": 3,
            "data_sha256": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
            "data_hash_algo": "sha256",
            "control_version": True,
            "save_data_in_collection": False,
            "pickle": False,
        }


class QuerySuite(FindingRecords, FindingObjects):
    """Everything about queries."""
