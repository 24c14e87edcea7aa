from typing import Any

import bson
from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.domain.merge_state import MERGE_STATE, state_first, visible_bson

DOCUMENTS = st.dictionaries(
    st.sampled_from(["a", "b", "_m", "merge"]),
    st.one_of(st.integers(0, 9), st.text("_merge\x03 ", max_size=20), st.just({MERGE_STATE: {"x": 1}})),
)


@given(DOCUMENTS, st.integers(0, 4))
def test_a_record_is_visible_without_its_state_wherever_that_is(document: dict[str, Any], place: int) -> None:
    fields = list(document.items())
    record = dict([*fields[:place], (MERGE_STATE, {"times": {"a": 1}}), *fields[place:]])
    assert visible_bson(bson.encode(record)) == bson.encode(document)


@given(DOCUMENTS)
def test_a_record_without_state_is_visible_as_it_is(document: dict[str, Any]) -> None:
    assert visible_bson(bson.encode(document)) == bson.encode(document)


@given(DOCUMENTS)
def test_the_state_becomes_the_first_field(document: dict[str, Any]) -> None:
    record = {**document, MERGE_STATE: {"tags": ["x"]}}
    assert list(state_first(record).items()) == [(MERGE_STATE, {"tags": ["x"]}), *document.items()]
