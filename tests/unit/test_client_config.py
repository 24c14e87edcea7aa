"""Settings of the client: where they come from, and which one wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowcept.config import CaptureSettings, ClientSettings, Secret, settings_table
from flowcept.errors import InvalidArgumentError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a settings file."""

    def writer(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        return path

    return writer


def load(path: Path | None = None, **environ: str) -> ClientSettings:
    return ClientSettings.load(environ=environ, settings_path=path)


def test_without_any_source_there_are_defaults() -> None:
    settings = load()

    assert settings.target == "localhost:50051"
    assert settings.capture.db_flush_mode == "online"
    assert settings.token is None


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("cluster", "cluster:50051"),
        ("10.0.0.7", "10.0.0.7:50051"),
        ("[::1]", "[::1]:50051"),
        ("cluster:443", "cluster:443"),
        ("[::1]:7", "[::1]:7"),
        ("dns:///cluster", "dns:///cluster"),
        ("unix:/run/flowcept.sock", "unix:/run/flowcept.sock"),
    ],
)
def test_a_host_alone_means_the_port_that_services_listen_on(given: str, target: str) -> None:
    assert load(FLOWCEPT_TARGET=given).target == target


def test_arguments_go_before_environment_before_file(write: Write) -> None:
    path = write("service: {target: 'file:1', timeout: 3}\nexperiment: {user: ann}")
    environ = {"FLOWCEPT_TARGET": "environment:1", "FLOWCEPT_TIMEOUT": "2"}

    settings = ClientSettings.load(environ=environ, settings_path=path, target="argument:1")

    assert (settings.target, settings.timeout, settings.user) == ("argument:1", 2.0, "ann")


def test_the_environment_names_the_file(write: Write) -> None:
    path = write("service: {target: 'file:1'}")

    assert load(FLOWCEPT_SETTINGS_PATH=str(path)).target == "file:1"


def test_a_settings_file_of_the_library_is_understood(write: Write) -> None:
    path = write(
        "flowcept_version: 0.10.6\nproject: {debug: true, db_flush_mode: offline, dump_buffer: {path: mine.jsonl}}\n"
        "mq: {type: redis, host: localhost}\ntelemetry_capture: {cpu: true, gpu: null}\nadapters: {dask: {}}\n"
    )
    settings = load(path)

    assert settings.capture.db_flush_mode == "offline"
    assert settings.buffer_file.path == Path("mine.jsonl")
    assert settings.capture.telemetry.cpu


def test_an_unknown_key_of_our_own_sections_is_named(write: Write) -> None:
    with pytest.raises(InvalidArgumentError, match=r"service\.tagret"):
        load(write("service: {tagret: 'file:1'}"))


@pytest.mark.parametrize("text", ["- a", "{", "service: [1]: 2"])
def test_a_file_that_is_no_mapping_is_refused(write: Write, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"settings\.yaml"):
        load(write(text))


def test_a_file_that_is_missing_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="FLOWCEPT_SETTINGS_PATH"):
        load(FLOWCEPT_SETTINGS_PATH=str(tmp_path / "missing.yaml"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLOWCEPT_TIMEOUT", "soon"),
        ("FLOWCEPT_TLS", "maybe"),
        ("FLOWCEPT_CHUNK_SIZE", "5GiB"),
        ("FLOWCEPT_RETRY_ATTEMPTS", "0"),
        ("DB_FLUSH_MODE", "sometimes"),
    ],
)
def test_a_wrong_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(InvalidArgumentError, match=variable):
        ClientSettings.load(environ={variable: value})


def test_a_wrong_value_names_its_argument_its_variable_or_its_file(tmp_path: Path) -> None:
    file = tmp_path / "of-the-cluster.yml"
    file.write_text("project: {db_flush_mode: sometimes}")

    with pytest.raises(InvalidArgumentError, match=rf"^project\.db_flush_mode in {file} is 'sometimes'"):
        load(file)
    with pytest.raises(InvalidArgumentError, match=r"^DB_FLUSH_MODE is 'never'"):
        load(file, DB_FLUSH_MODE="never")
    with pytest.raises(InvalidArgumentError, match=r"^capture\.db_flush_mode is 'always'"):
        ClientSettings.load(environ={"DB_FLUSH_MODE": "never"}, settings_path=file, capture={"db_flush_mode": "always"})


def test_settings_that_are_made_by_hand_are_checked_like_those_that_are_read() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^CaptureSettings\.db_flush_mode is 'sometimes'"):
        CaptureSettings(db_flush_mode="sometimes")
    with pytest.raises(InvalidArgumentError, match=r"^ClientSettings\.capture takes a CaptureSettings"):
        ClientSettings(capture={"db_flush_mode": "online"})  # type: ignore[arg-type]  # the mistake under test
    assert ClientSettings(target="cluster").target == "cluster:50051"


def test_a_token_is_never_shown() -> None:
    settings = load(FLOWCEPT_TOKEN="very-secret")

    assert settings.token == Secret("very-secret")
    assert settings.token is not None
    assert settings.token.reveal() == "very-secret"
    assert "very-secret" not in repr(settings)


def test_contradictions_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="FLOWCEPT_TOKEN_FILE"):
        load(FLOWCEPT_TOKEN="a", FLOWCEPT_TOKEN_FILE="b")
    with pytest.raises(InvalidArgumentError, match="FLOWCEPT_TLS_KEY"):
        load(FLOWCEPT_TLS_CERT="cert.pem")


def test_certificates_imply_encryption() -> None:
    assert load(FLOWCEPT_TLS_CA="ca.pem").tls.enabled
    assert not load().tls.enabled


def test_groups_are_given_as_mappings_or_instances() -> None:
    settings = ClientSettings.load(environ={}, retry={"max_attempts": 2})

    assert settings.retry.max_attempts == 2
    assert ClientSettings.load(environ={}, retry=settings.retry).retry is settings.retry
    with pytest.raises(InvalidArgumentError, match="max_atempts"):
        ClientSettings.load(environ={}, retry={"max_atempts": 2})


def test_every_setting_is_documented_and_has_a_variable_of_its_own() -> None:
    table = settings_table()

    assert all(row.help.endswith(".") for row in table)
    assert len({row.env for row in table}) == len({row.yaml for row in table}) == len(table)
