"""Identifiers that callers choose, as the store knows them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.domain.campaigns import own_identifier, permits
from flowcept_service.domain.identifiers import check_identifier

IDENTIFIERS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda text: len(text.encode()) <= 255)
CAMPAIGNS = st.frozensets(IDENTIFIERS, max_size=3)


@given(IDENTIFIERS, CAMPAIGNS, IDENTIFIERS, CAMPAIGNS)
def test_no_two_spaces_share_an_identifier(a: str, of: frozenset[str], b: str, other: frozenset[str]) -> None:
    same = own_identifier(of, a) == own_identifier(other, b)
    assert same == ((a, of) == (b, other))


@given(st.integers(1, 255), CAMPAIGNS)
def test_an_own_identifier_is_an_identifier_whatever_its_length(length: int, campaigns: frozenset[str]) -> None:
    identifiers = {own_identifier(campaigns, letter * length) for letter in "ab"}
    assert len(identifiers) == 2
    assert all(check_identifier("identifier", identifier) for identifier in identifiers)


def test_who_is_not_confined_uses_identifiers_as_they_are() -> None:
    assert own_identifier(None, "upload") == "upload"


def test_no_identifier_stays_none() -> None:
    assert own_identifier(frozenset({"a"}), "") == ""


def test_what_has_no_campaign_is_for_those_who_are_not_confined() -> None:
    assert permits(None, None)
    assert not permits(frozenset({"a"}), None)
    assert not permits(frozenset(), "a")
