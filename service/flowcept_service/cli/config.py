"""The command ``config``: the settings that a service would start with."""

from __future__ import annotations

import json
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import click

from flowcept.config_values import Secret
from flowcept.errors import FlowceptError
from flowcept_service.cli.exits import exit_code
from flowcept_service.config import ServiceSettings, misspelt_variables, settings_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, by the names of the settings.")
def config(*, as_json: bool) -> None:
    """Show the settings in effect: the environment's values, and the defaults of all others. Secrets show as ***."""
    try:
        settings = ServiceSettings.load()
    except FlowceptError as error:
        click.echo(f"flowcept-service config: {error.message}", err=True)
        sys.exit(exit_code(error))
    for given, meant in misspelt_variables().items():
        click.echo(f"flowcept-service config: {given} is no setting; is {meant} meant?", err=True)
    values = {row: reduce(getattr, row.name.split("."), settings) for row in settings_table()}
    if as_json:
        click.echo(json.dumps({row.name: _plain(value) for row, value in values.items()}))
        return
    for row, value in values.items():
        # A setting that is not given is empty; one that was switched off says so.
        nothing = "" if row.default is None else "none"
        shown = nothing if value is None else _plain(value)
        # In the form in which a file for the environment has them.
        click.echo(f"{row.env}={str(shown).lower() if isinstance(shown, bool) else shown}")


def _plain(value: Any) -> Any:
    """A value as JSON has it; a secret only as a sign that there is one."""
    return str(value) if isinstance(value, Path | Secret) else value
