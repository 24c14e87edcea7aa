"""The command `config`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from flowcept_service.cli import main
from flowcept_service.config import ServiceSettings, settings_table

PASSWORD = "hunter2"
ENVIRON = {
    "FLOWCEPT_SERVICE_MONGODB_URI": f"mongodb://user:{PASSWORD}@db.example.org/",
    "FLOWCEPT_SERVICE_MAX_UPLOADS": "7",
    "FLOWCEPT_SERVICE_INSECURE": "yes",
    "FLOWCEPT_SERVICE_TAG_HIGH_CPU": "none",
    "FLOWCEPT_SERVICE_AUTH_TOKENS_FILE": "/etc/tokens.toml",
}


def config(*arguments: str, environ: dict[str, str]) -> str:
    result = CliRunner(env=environ).invoke(main, ["config", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_setting_is_shown_in_the_form_of_the_environment() -> None:
    lines = config(environ=ENVIRON).splitlines()
    assert [line.partition("=")[0] for line in lines] == [row.env for row in settings_table()]
    for line in (
        "FLOWCEPT_SERVICE_MAX_UPLOADS=7",
        "FLOWCEPT_SERVICE_INSECURE=true",
        "FLOWCEPT_SERVICE_TAG_HIGH_CPU=none",
        "FLOWCEPT_SERVICE_AUTH_TOKENS_FILE=/etc/tokens.toml",
    ):
        assert line in lines


def test_what_is_shown_sets_the_same_again() -> None:
    environ = {**ENVIRON, "FLOWCEPT_SERVICE_MONGODB_URI": ""}
    shown = dict(line.split("=", 1) for line in config(environ=environ).splitlines())
    assert ServiceSettings.load(environ=shown) == ServiceSettings.load(environ=environ)


def test_secrets_are_not_shown() -> None:
    text, as_json = config(environ=ENVIRON), config("--json", environ=ENVIRON)
    assert PASSWORD not in text + as_json
    assert "FLOWCEPT_SERVICE_MONGODB_URI=***" in text
    values = json.loads(as_json)
    assert (values["mongodb_uri"], values["limits.max_uploads"]) == ("***", 7)
    assert values["security.auth_oidc_issuer"] is None
    assert PASSWORD not in repr(ServiceSettings.load(environ=ENVIRON))


def test_a_wrong_setting_is_named() -> None:
    result = CliRunner(env={"FLOWCEPT_SERVICE_MAX_UPLOADS": "many"}).invoke(main, ["config"])
    assert result.exit_code == 2
    assert "FLOWCEPT_SERVICE_MAX_UPLOADS" in result.stderr
