"""The table of limits in the operations guide is what the settings say."""

from __future__ import annotations

from pathlib import Path

from flowcept.config_loading import SettingRow, rows
from flowcept_service.config import ConnectionOptions, LimitOptions

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "operating.md"
GROUPS = {"Work, sizes and time": LimitOptions, "Connections": ConnectionOptions}
UNITS = {1 << 30: "GiB", 1 << 20: "MiB", 1 << 10: "KiB"}


def row_of(row: SettingRow) -> str:
    return f"| `{row.env.removeprefix('FLOWCEPT_SERVICE_')}` | {default_of(row)} | {' '.join(row.help.split())} |\n"


def default_of(row: SettingRow) -> str:
    if isinstance(row.default, float):
        return f"{row.default:g} s"
    for unit, name in UNITS.items():
        if isinstance(row.default, int) and row.env.endswith("BYTES") and row.default and row.default % unit == 0:
            return f"{row.default // unit} {name}"
    return str(row.default)


def table() -> str:
    return "".join(
        f"| {title} | default | bound, and what is answered beyond it |\n|---|---|---|\n"
        + "".join(map(row_of, rows(group)))
        + "\n"
        for title, group in GROUPS.items()
    )


def test_the_operations_guide_has_every_limit() -> None:
    assert table() in GUIDE.read_text(), f"put this into {GUIDE.name}:\n{table()}"
