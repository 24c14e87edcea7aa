"""The tokens file: what an entry says, and how a wrong one is refused."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from flowcept.errors import InvalidArgumentError
from flowcept_service.domain.principals import Principal, Scope
from flowcept_service.security.tokens import new_token, read_tokens

DIGEST = hashlib.sha256(b"secret").hexdigest()


def test_a_token_is_found_by_its_value_alone() -> None:
    table = read_tokens(f'a = {{ sha256 = "{DIGEST}", scopes = ["read", "write"] }}'.encode())
    found = table.by_token("secret")
    assert found is not None
    assert found.principal == Principal("a", frozenset({Scope.READ, Scope.WRITE}))
    assert table.by_token(DIGEST) is None
    assert table.by_token("") is None


def test_a_section_says_the_same_as_a_line() -> None:
    table = read_tokens(f'# who may\n[a]\nsha256 = "{DIGEST}"\nscopes = ["read"]\ncampaigns = ["x", "y"]\n'.encode())
    found = table.by_token("secret")
    assert found is not None
    assert found.principal.campaigns == frozenset({"x", "y"})


def test_no_campaigns_are_none_at_all_and_not_every_one() -> None:
    found = read_tokens(f'a = {{ sha256 = "{DIGEST}", scopes = ["read"], campaigns = [] }}'.encode()).by_token("secret")
    assert found is not None
    assert found.principal.campaigns == frozenset()


def test_a_certificate_is_found_by_its_name() -> None:
    table = read_tokens(b'node = { certificate = "node-7.example.org", scopes = ["publish"] }')
    found = table.by_certificate("node-7.example.org")
    assert found is not None
    assert found.principal.name == "node"


@pytest.mark.parametrize("written", ["2027-01-01T00:00:00Z", "2027-01-01T00:00:00", "2027-01-01"])
def test_an_entry_ends_at_its_time_in_utc(written: str) -> None:
    table = read_tokens(f'a = {{ sha256 = "{DIGEST}", scopes = ["read"], expires = {written} }}'.encode())
    found = table.by_token("secret")
    assert found is not None
    assert not found.is_expired(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert found.is_expired(datetime(2027, 1, 1, tzinfo=UTC))


def test_a_comment_refuses_everybody() -> None:
    assert len(read_tokens(b"# nobody for now\n")) == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b"\xff", "not UTF-8"),
        (b"a = {", "not valid TOML"),
        (b"a = 1", "must be a table"),
        (b'a = { scopes = ["read"] }', "one of sha256 and certificate"),
        (f'a = {{ sha256 = "{DIGEST}", certificate = "c", scopes = ["read"] }}'.encode(), "not both"),
        (b'a = { sha256 = "secret", scopes = ["read"] }', "not the token"),
        (f'a = {{ sha256 = "{DIGEST.upper()}", scopes = ["read"] }}'.encode(), "lower-case"),
        (f'a = {{ sha256 = "{DIGEST}" }}'.encode(), "scopes of entry 'a' must be a list"),
        (f'a = {{ sha256 = "{DIGEST}", scopes = [] }}'.encode(), "scopes of entry 'a' must be a list"),
        (f'a = {{ sha256 = "{DIGEST}", scopes = ["root"] }}'.encode(), "unknown scope 'root'"),
        (f'a = {{ sha256 = "{DIGEST}", scopes = [{{}}] }}'.encode(), "unknown scope {}"),
        (f'a = {{ sha256 = "{DIGEST}", scopes = ["read"], campaigns = "x" }}'.encode(), "campaigns of entry 'a'"),
        (f'a = {{ sha256 = "{DIGEST}", scopes = ["read"], campaigns = [1] }}'.encode(), "a campaign of entry 'a'"),
        (f'a = {{ sha256 = "{DIGEST}", scopes = ["read"], expires = "soon" }}'.encode(), "without quotes"),
        (f'a = {{ sha256 = "{DIGEST}", scope = ["read"] }}'.encode(), "unknown key 'scope'"),
        (b'a = { certificate = "", scopes = ["read"] }', "certificate of entry 'a'"),
        (
            "\n".join(f'{name} = {{ sha256 = "{DIGEST}", scopes = ["read"] }}' for name in "ab").encode(),
            "entries 'a' and 'b' have the same",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match="FLOWCEPT_SERVICE_AUTH_TOKENS_FILE") as raised:
        read_tokens(content)
    assert problem in raised.value.message
    assert DIGEST not in raised.value.message
    assert "secret" not in raised.value.message


def test_tokens_are_never_the_same_and_need_no_quoting() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 43 and token.replace("_", "").replace("-", "").isalnum() for token in tokens)
