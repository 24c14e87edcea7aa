"""``flowcept blob``: versioned blobs from the command line."""

from __future__ import annotations

import click

from flowcept.cli._blob_get import get, verify
from flowcept.cli._blob_list import history, ls, stat
from flowcept.cli._blob_put import put
from flowcept.cli._blob_rm import rm
from flowcept.cli._command import Group


@click.group(cls=Group)
def blob() -> None:
    """Store, fetch, list and check versioned blobs.

    Examples:
      flowcept blob put model.pt --object-id my-model --control-version
      flowcept blob history my-model
      flowcept blob get my-model --version 3 best.pt
    """


for _command in (put, get, ls, stat, history, rm, verify):
    blob.add_command(_command)
