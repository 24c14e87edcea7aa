"""The JSON Lines file that keeps a copy of a run's messages: its name, reading, consolidating and deleting.

A run writes ``X.jsonl``. Where several processes write at once, settings give each its own file, *split files*:
``X_<workflow_id>.jsonl``, and ``X_<workflow_id>_<process>_<thread>.jsonl`` for each writer. Consolidating brings the
split files of one workflow together in ``X_<workflow_id>.jsonl``.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcept.config import BufferFileSettings
from flowcept.errors import InvalidArgumentError
from flowcept.jsonlines import decode_line, read_messages, write_messages
from flowcept.replacing import replacing

if TYPE_CHECKING:
    import pandas as pd


def run_path(settings: BufferFileSettings, workflow_id: str) -> Path:
    """Where a run of this process writes its copy when no path is given: the configured one, split as configured."""
    parts = [settings.path.stem]
    if settings.append_workflow_id_to_path:
        parts.append(_in_name(workflow_id))
    if settings.append_id_to_path:
        parts.append(f"{os.getpid()}_{threading.get_ident()}")
    return settings.path.with_name("_".join(parts) + settings.path.suffix)


def dump(path: Path, messages: Iterable[Mapping[str, object]]) -> None:
    """Write ``messages`` to ``path`` in place of what was there.

    Raises:
        OSError: The file cannot be written; what was there is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_messages(path, messages)


def read(
    path: Path,
    *,
    return_df: bool = False,
    normalize_df: bool = False,
    consolidate: bool = False,
    workflow_id: str | None = None,
    cleanup_files: bool = True,
) -> list[dict[str, Any]] | pd.DataFrame:
    """The messages of a buffer file.

    Args:
        path: The file, or the base name of split files when they are to be consolidated.
        return_df: Give a data frame instead of a list. Needs pandas.
        normalize_df: With ``return_df``: a column for each nested field, named with dots.
        consolidate: Bring the split files of ``workflow_id`` together first, and read the result.
        workflow_id: Whose split files.
        cleanup_files: Delete the split files once they are consolidated.

    Raises:
        FileNotFoundError: There is no such file.
        InvalidArgumentError: A line is not valid JSON, or ``workflow_id`` is missing.
        ModuleNotFoundError: pandas is not installed.
    """
    if consolidate:
        if workflow_id is None:
            raise InvalidArgumentError(
                "workflow_id is missing: consolidate=True needs it to find the files of one workflow.",
                field="workflow_id",
            )
        path = consolidate_files(path, workflow_id, cleanup_files=cleanup_files)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no buffer file {path}. It is written at the end of a run where project.dump_buffer.enabled is "
            "true, or by dump_buffer()."
        )
    messages: list[dict[str, Any]] = list(read_messages(path))
    return data_frame(messages, normalize=normalize_df) if return_df else messages


def data_frame(messages: list[dict[str, Any]], *, normalize: bool) -> pd.DataFrame:
    """A data frame with one row for each message.

    Args:
        messages: The messages.
        normalize: A column for each nested field, named with dots, instead of nested dicts in cells.

    Raises:
        ModuleNotFoundError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "A data frame needs pandas: pip install 'flowcept-service[dataframe]'.", name="pandas"
        ) from error
    return pd.json_normalize(messages, sep=".") if normalize else pd.DataFrame(messages)


def consolidate_files(base: Path, workflow_id: str, *, cleanup_files: bool = True) -> Path:
    """Bring the split files of a workflow together in one; what is there already stays, and nothing comes in twice.

    Args:
        base: Path of the buffer file without the parts that splitting adds.
        workflow_id: Whose files.
        cleanup_files: Delete the split files afterwards.

    Returns:
        The file with everything; ``base`` itself where nothing was split.

    Raises:
        FileNotFoundError: There is neither a split file nor ``base``.
        InvalidArgumentError: A line is not valid JSON; nothing was changed.
    """
    prefix = f"{base.stem}_{_in_name(workflow_id)}"
    whole = base.with_name(f"{prefix}{base.suffix}")
    # Not a glob: the files of workflow `a1` must not count as those of workflow `a`.
    split_name = re.compile(re.escape(prefix) + r"_\d+_\d+" + re.escape(base.suffix))
    present = base.parent.iterdir() if base.parent.is_dir() else ()
    split_files = sorted(file for file in present if split_name.fullmatch(file.name))
    if not split_files:
        if whole.exists() or base.exists():
            return whole if whole.exists() else base
        raise FileNotFoundError(f"There is no buffer file of workflow {workflow_id!r}: neither {whole} nor {base}.")
    sources = [whole, *split_files] if whole.exists() else split_files
    with replacing(whole, durable=True) as out:
        _copy_new_lines(sources, out.write)
    if cleanup_files:
        for file in split_files:
            file.unlink(missing_ok=True)
    return whole


def _in_name(workflow_id: str) -> str:
    """The identifier as part of a file's name."""
    return workflow_id.replace("/", "%2F").replace("\0", "%00")


def _copy_new_lines(sources: Iterable[Path], write: Any) -> None:
    seen: set[object] = set()
    for source in sources:
        here: set[object] = set()
        with source.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.strip()
                if not text:
                    continue
                # Lines without an id are compared as they are, and only with other files: one file may repeat itself.
                identity = decode_line(text, f"Line {number} of {source}").get("message_id") or text
                if identity not in seen:
                    write(text + b"\n")
                    here.add(identity)
        seen |= here


def delete(path: Path) -> None:
    """Delete a buffer file; it is no error when there is none.

    Raises:
        OSError: It is there and cannot be deleted.
    """
    path.unlink(missing_ok=True)
