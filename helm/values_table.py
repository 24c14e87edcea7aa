"""Write the table of values into the chart's README from the comments in `values.yaml`: ``make values``.

A value is documented by a comment that begins with `# --` right above it. A mapping with such a comment is one value;
one without is a group, and its members are documented instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent / "flowcept"
README = CHART / "README.md"
BEGIN = "<!-- values: made by helm/values_table.py -->\n"
END = "<!-- end of values -->\n"
_MARK = re.compile(r"\s*# -- ?(?P<text>.*)")
_COMMENT = re.compile(r"\s*# (?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the chart."""

    path: str
    """Its names from the top, with dots."""
    default: Any
    text: str
    """What the comment says; empty when there is none."""


def read_values(source: str) -> Iterator[Value]:
    """The values of a file, in order."""
    yield from _values(yaml.compose(source, Loader=yaml.SafeLoader), "", source.splitlines())


def _values(mapping: yaml.Node | None, prefix: str, lines: list[str]) -> Iterator[Value]:
    if not isinstance(mapping, yaml.MappingNode):
        raise TypeError("values are a mapping of names")
    for key, node in mapping.value:
        path = f"{prefix}{key.value}"
        text = _comment(lines, key.start_mark.line)
        if isinstance(node, yaml.MappingNode) and node.value and not text:
            yield from _values(node, f"{path}.", lines)
        else:
            yield Value(path, _plain(node), text)


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _comment(lines: list[str], line: int) -> str:
    """The text of the comment that ends right above a line."""
    found: list[str] = []
    for above in reversed(lines[:line]):
        mark, plain = _MARK.fullmatch(above), _COMMENT.fullmatch(above)
        if mark is not None:
            return " ".join([mark["text"], *found])
        if plain is None:
            break
        found.insert(0, plain["text"])
    return ""


def table() -> str:
    """The values as a table in Markdown."""
    rows = [f"| `{value.path}` | {_default(value.default)} | {value.text} |\n" for value in _chart_values()]
    return "".join(["| value | default | what it is |\n", "|---|---|---|\n", *rows])


def _chart_values() -> Iterator[Value]:
    return read_values((CHART / "values.yaml").read_text(encoding="utf-8"))


def _default(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # A whole security context would fill the page.
    return f"`{text}`" if len(text) <= 40 else "see `values.yaml`"


def readme_with(values: str, readme: str) -> str:
    """The README with the table put in."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{values}{END}{after}"


if __name__ == "__main__":
    README.write_text(readme_with(table(), README.read_text(encoding="utf-8")), encoding="utf-8")
