from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flowcept.config import ClientSettings, RetrySettings
from flowcept.errors import CancelledError, InvalidArgumentError, UnauthenticatedError
from flowcept.transport import Connection
from flowcept.transport._channel import open_channel, service_config
from flowcept.transport._token import TokenSource


def settings(**values: Any) -> ClientSettings:
    return ClientSettings.load(environ={}, settings_path=None, **values)


def methods(config: str) -> set[tuple[str, str]]:
    return {(name["service"], name["method"]) for entry in json.loads(config)["methodConfig"] for name in entry["name"]}


def test_calls_that_may_be_repeated_are_repeated_by_grpc() -> None:
    config = service_config(RetrySettings(max_attempts=3, initial_backoff=0.1, max_backoff=2.0))
    assert ("flowcept.v1.BlobStore", "GetObject") in methods(config)
    assert ("flowcept.v1.Provenance", "Acknowledge") in methods(config)
    policy = json.loads(config)["methodConfig"][0]["retryPolicy"]
    assert policy["maxAttempts"] == 3
    assert policy["initialBackoff"] == "0.100s"
    assert policy["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]


def test_deletions_uploads_and_publications_are_not_repeated_by_grpc() -> None:
    repeated = {method for _, method in methods(service_config(RetrySettings()))}
    assert repeated.isdisjoint({"DeleteObject", "DeleteConsumer", "DeleteRecords", "Publish", "Upload"})


def test_one_attempt_switches_repetition_off() -> None:
    assert "methodConfig" not in json.loads(service_config(RetrySettings(max_attempts=1)))


def test_calls_are_spread_over_all_addresses_of_the_target() -> None:
    assert json.loads(service_config(RetrySettings()))["loadBalancingConfig"] == [{"round_robin": {}}]


def test_an_unreadable_certificate_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"tls\.ca_file"):
        open_channel(settings(tls={"ca_file": tmp_path / "missing.pem"}))


def test_a_certificate_that_is_none_names_its_setting(tmp_path: Path) -> None:
    (tmp_path / "ca.der").write_bytes(b"\x30\x82")
    with pytest.raises(InvalidArgumentError, match=r"tls\.ca_file .* is no PEM file"):
        open_channel(settings(tls={"ca_file": tmp_path / "ca.der"}))


def test_the_token_goes_with_every_call() -> None:
    assert TokenSource(settings(token="secret")).metadata() == (("authorization", "Bearer secret"),)
    assert TokenSource(settings()).metadata() == ()


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    source = TokenSource(settings(token_file=path))
    assert source.metadata() == (("authorization", "Bearer first"),)
    path.write_text("second\n")
    os.utime(path, ns=(1, 1))  # another time, however coarse the clock of the file system
    assert source.metadata() == (("authorization", "Bearer second"),)


def test_a_missing_token_file_is_said_before_any_call(tmp_path: Path) -> None:
    with pytest.raises(UnauthenticatedError, match="FLOWCEPT_TOKEN_FILE"):
        TokenSource(settings(token_file=tmp_path / "missing")).metadata()


def test_a_closed_connection_says_so() -> None:
    connection = Connection(settings())
    connection.close()
    with pytest.raises(CancelledError, match="closed"):
        connection.is_serving()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nonsense",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    ],
)
def test_a_trace_that_is_none_is_refused_with_an_example(value: str) -> None:
    with pytest.raises(InvalidArgumentError, match="traceparent, such as 00-"):
        settings(traceparent=value)
