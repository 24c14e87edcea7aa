"""Settings of the service: where they come from, and what is refused."""

from __future__ import annotations

import pytest

from flowcept.errors import InvalidArgumentError
from flowcept_service.config import ServiceSettings, misspelt_variables, settings_table


def load(environ: dict[str, str] | None = None, **given: object) -> ServiceSettings:
    return ServiceSettings.load(environ=environ or {}, **given)


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load()
    assert (settings.listen, settings.store, str(settings.data_dir)) == ("127.0.0.1:50051", "lmdb", "flowcept-data")


def test_arguments_go_before_the_environment_and_that_before_defaults() -> None:
    environ = {"FLOWCEPT_SERVICE_LISTEN": "0.0.0.0:1", "FLOWCEPT_SERVICE_MAX_UPLOADS": "3"}
    settings = load(environ, listen="0.0.0.0:2")
    assert (settings.listen, settings.limits.max_uploads, settings.limits.max_downloads) == ("0.0.0.0:2", 3, 128)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:50051", "[::1]:80", "0.0.0.0:65535", "unix:/tmp/socket"])
def test_addresses_that_are_accepted(listen: str) -> None:
    assert load(listen=listen).listen == listen


@pytest.mark.parametrize("listen", ["", "50051", "host", "host:", ":50051", "host:65536", "host:-1", "::1:80", "unix:"])
def test_addresses_that_are_refused_with_an_example(listen: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"127\.0\.0\.1:50051"):
        load(listen=listen)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLOWCEPT_SERVICE_STORE", "oracle"),
        ("FLOWCEPT_SERVICE_MAX_UPLOADS", "0"),
        ("FLOWCEPT_SERVICE_IN_OBJECT_BYTES", "16MiB"),
        ("FLOWCEPT_SERVICE_LOG_LEVEL", "loud"),
        ("FLOWCEPT_SERVICE_DRAIN_SECONDS", "-1"),
        ("FLOWCEPT_SERVICE_TAG_HIGH_CPU", "often"),
    ],
)
def test_a_bad_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(InvalidArgumentError, match=variable):
        load({variable: value})


def test_a_misspelt_variable_is_found_and_those_of_others_are_left_alone() -> None:
    environ = {
        "FLOWCEPT_SERVICE_AUTH_TOKEN_FILE": "misspelt",
        "FLOWCEPT_SERVICE_MAX_UPLOADS": "3",
        "FLOWCEPT_SERVICE_HOST": "10.0.0.1",
        "FLOWCEPT_SERVICE_PORT": "50051",
        "FLOWCEPT_SERVICE_SERVICE_PORT_GRPC": "50051",
        "FLOWCEPT_SERVICE_TRANSFER_FROM": "lmdb:a",
        "MAX_UPLOAD": "1",
    }
    assert misspelt_variables(environ) == {"FLOWCEPT_SERVICE_AUTH_TOKEN_FILE": "FLOWCEPT_SERVICE_AUTH_TOKENS_FILE"}


def test_a_threshold_may_be_none() -> None:
    assert load({"FLOWCEPT_SERVICE_TAG_HIGH_CPU": "none"}).inserter.high_cpu is None


def test_every_setting_has_a_variable_of_its_own_and_a_help_text() -> None:
    table = settings_table()
    assert len({row.env for row in table}) == len(table)
    assert all(row.env.startswith("FLOWCEPT_SERVICE_") for row in table)
    assert all(row.help.endswith(".") for row in table)
