"""What every ``Replica`` refuses, and how it is read."""

from __future__ import annotations

import os

import bson
import pytest

from flowcept.errors import InvalidArgumentError, PreconditionError, Reason
from flowcept_service.domain.records import Collection, Document
from flowcept_service.domain.replication import RowKey
from flowcept_service.storage.documents import DATA_FIELD
from tests.conformance.copying import LARGE, Copy, all_rows, fill
from tests.conformance.harness import task


class Refused:
    def test_a_store_with_data_of_its_own_is_left_alone(self, copy: Copy) -> None:
        fill(copy.source)
        copy.target.storage.records.write([task("mine")])

        with pytest.raises(PreconditionError) as caught:
            copy.begin()

        assert caught.value.reason is Reason.STORAGE_INCOMPATIBLE
        assert "--replace" in caught.value.message
        assert copy.target.storage.records.get(Collection.TASKS, "mine") is not None

    def test_it_is_replaced_when_asked_to(self, copy: Copy) -> None:
        fill(copy.source)
        fill(copy.target)
        copy.target.storage.records.write([task("mine")])
        copy.target.save("mine", os.urandom(LARGE))
        copy.target.storage.events.acknowledge("mine", 2)

        copy.run(replace=True)

        copy.assert_equal()

    def test_a_copy_that_was_written_to_is_left_alone(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()
        copy.target.storage.records.write([task("mine")])
        with pytest.raises(PreconditionError):
            copy.begin()
        copy.source.storage.records.write([task("theirs"), task("theirs too")])

        with pytest.raises(PreconditionError):
            copy.begin()

    def test_the_original_may_follow_its_copy(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()
        copy.target.storage.records.write([task("written to the copy")])
        copy.target.save("kept", b"written to the copy")

        back = Copy(copy.target, copy.source)
        back.run()

        back.assert_equal()
        back.close()

    def test_a_store_is_no_copy_of_itself(self, copy: Copy) -> None:
        with pytest.raises(InvalidArgumentError):
            Copy(copy.source, copy.source).begin()


class Reading:
    def test_stored_documents_are_found_by_their_keys(self, copy: Copy) -> None:
        fill(copy.source)
        source, _ = copy.replicable()
        for collection in Collection:
            rows = all_rows(source, collection)
            assert rows
            assert source.replica.stored(list(rows)) == list(rows.values())
        missing: list[RowKey] = [RowKey(Collection.TASKS, "none"), RowKey(Collection.OBJECT_HISTORY, "kept", 99)]
        assert source.replica.stored(missing) == [None, None]

    def test_pages_are_bounded_and_complete(self, copy: Copy) -> None:
        copy.source.storage.records.write([task(f"t{n}", text="x" * 1000) for n in range(100)])
        source, _ = copy.replicable()

        first = source.replica.rows(Collection.TASKS, b"", 10_000)

        assert 5 < len(first.rows) < 15
        assert len(all_rows(source, Collection.TASKS)) == 100

    def test_rows_carry_no_bytes_of_payloads(self, copy: Copy) -> None:
        copy.source.save("object", b"secret", in_object=True)
        copy.source.save("object", b"secret too", in_object=True)
        source, _ = copy.replicable()

        for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
            documents: list[Document] = [bson.decode(data) for data in all_rows(source, collection).values()]
            assert documents
            assert all(DATA_FIELD not in document for document in documents)

    def test_a_store_has_one_name_for_ever(self, copy: Copy) -> None:
        source, target = copy.replicable()
        name = source.replica.identity()
        assert name != target.replica.identity()

        copy.source.reopen()

        assert copy.replicable()[0].replica.identity() == name
