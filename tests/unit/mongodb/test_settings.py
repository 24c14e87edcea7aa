"""Credentials of the connection string are never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from flowcept.errors import FlowceptError, InvalidArgumentError
from flowcept_service.storage.mongodb import MongodbSettings
from flowcept_service.storage.mongodb._connection.errors import ErrorTranslator

SECRETS = {
    "mongodb://user:hunter2@host:27017/?replicaSet=rs0": "hunter2",
    "mongodb://user:p%40ss%2Fw@a:1,b:2/db?replicaSet=rs0": "p%40ss%2Fw",
    "mongodb+srv://user:hunter2@cluster.example.org/db": "hunter2",
    "mongodb://u@h/?tls=true&tlsCertificateKeyFilePassword=hunter2&w=1": "hunter2",
    "mongodb://u:x@h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2": "hunter2",
    "mongodb://user:raw@sign@host/?replicaSet=rs0": "raw@sign",
}


@pytest.mark.parametrize("uri", SECRETS)
def test_neither_repr_nor_the_safe_uri_has_the_secret(uri: str) -> None:
    settings = MongodbSettings(uri)

    for shown in (repr(settings), str(settings), settings.safe_uri):
        assert SECRETS[uri] not in shown
        assert "***" in shown


@pytest.mark.parametrize("uri", SECRETS)
def test_errors_have_no_secret_however_it_is_spelled(uri: str) -> None:
    errors = ErrorTranslator(MongodbSettings(uri))
    spellings = (uri, SECRETS[uri], SECRETS[uri].replace("%40", "@").replace("%2F", "/"))

    for text in spellings:
        for error in (ServerSelectionTimeoutError(text), OperationFailure(text, 18), OperationFailure(text, 1)):
            with pytest.raises(FlowceptError) as caught, errors():
                raise error
            assert not any(secret in str(caught.value) for secret in spellings)
            assert caught.value.__cause__ is None, "the driver's own text would be logged with it"
            assert caught.value.__suppress_context__


@given(st.text(min_size=6, alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@/?&%:")))
def test_no_password_shows(password: str) -> None:
    settings = MongodbSettings(f"mongodb://someone:{password}@host/?replicaSet=rs0")

    assert f":{password}@" not in repr(settings)
    assert password in settings.secrets


@pytest.mark.parametrize(
    ("uri", "given", "expected"),
    [
        ("mongodb://h/?replicaSet=rs0", "", "flowcept"),
        ("mongodb://h", "", "flowcept"),
        ("mongodb://u:p@h:1,g:2/mine?replicaSet=rs0", "", "mine"),
        ("mongodb://h/mine", "other", "other"),
    ],
)
def test_the_database_is_the_one_that_is_named(uri: str, given: str, expected: str) -> None:
    assert MongodbSettings(uri, database=given).database_name == expected


@pytest.mark.parametrize("uri", ["nonsense", "mongodb://", "mongodb://user:hunter2@:x/", "user:hunter2@h"])
def test_what_is_no_connection_string_is_refused_without_its_secret(uri: str) -> None:
    from flowcept_service.storage.mongodb._connection.client import connect

    settings = MongodbSettings(uri, connect_seconds=0.2)

    with pytest.raises(InvalidArgumentError) as caught:
        connect(settings, ErrorTranslator(settings))

    assert "hunter2" not in str(caught.value)
