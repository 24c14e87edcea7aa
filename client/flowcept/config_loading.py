"""Filling dataclasses of settings from arguments, environment and YAML; knows nothing of the settings themselves."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from flowcept.errors import InvalidArgumentError, shorten

T = TypeVar("T")


def setting(default: T, parse: Callable[[object], T], *, env: str, yaml: str) -> T:
    """A dataclass field that knows where its value comes from; typed as its value so that mypy checks its uses."""
    return field(default=default, metadata={"env": env, "yaml": yaml, "parse": parse})


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of the settings reference."""

    name: str
    """Dotted name: group and field."""

    env: str
    """Environment variable."""

    yaml: str
    """Dotted key in ``settings.yaml``."""

    default: object
    """Value when no source gives one."""

    group: type[Any]
    """Dataclass that declares it."""

    @property
    def help(self) -> str:
        """What it does: the docstring under the field.

        Python keeps no docstrings of fields, so this reads the source, which is there whenever documentation is made.
        """
        definition = cast(ast.ClassDef, ast.parse(inspect.getsource(self.group)).body[0])
        for statement, following in zip(definition.body, definition.body[1:], strict=False):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and statement.target.id == self.name.rpartition(".")[2]
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
            ):
                return " ".join(str(following.value.value).split())
        return ""


def rows(group: type[Any], prefix: str = "") -> Iterator[SettingRow]:
    """The settings of a dataclass and of the groups inside it, in the order of declaration."""
    for entry in fields(group):
        if entry.metadata:
            yield SettingRow(prefix + entry.name, entry.metadata["env"], entry.metadata["yaml"], entry.default, group)
        else:
            yield from rows(_group_class(entry), f"{prefix}{entry.name}.")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a settings file says; nothing when there is none."""

    path: Path = Path()
    """Where it is."""

    document: Mapping[str, object] = field(default_factory=dict)
    """Its sections."""

    def get(self, dotted: str) -> object:
        """The value of a key; None when the file does not have it."""
        current: object = self.document
        for part in dotted.split("."):
            if not isinstance(current, Mapping):
                return None
            current = current.get(part)
        return current


def build(
    group: type[T],
    environ: Mapping[str, str],
    file: SettingsFile,
    overrides: Mapping[str, object],
    prefix: str = "",
) -> T:
    """An instance of ``group`` filled from ``overrides``, else ``environ``, else ``file``, else its defaults.

    Raises:
        InvalidArgumentError: A value is not valid, and where it is from; or an override names no setting.
    """
    entries: tuple[Field[Any], ...] = fields(cast(Any, group))
    known = [entry.name for entry in entries]
    for name in overrides:
        if name not in known:
            raise InvalidArgumentError(
                f"There is no setting {prefix + name!r}; known here: {', '.join(known)}.", field=prefix + name
            )
    values: dict[str, object] = {}
    for entry in entries:
        given = overrides.get(entry.name)
        if not entry.metadata:
            values[entry.name] = _build_group(entry, prefix, environ, file, given)
            continue
        found = _find(entry, prefix, environ, file, given)
        if found is not None:
            values[entry.name] = _parsed(entry, *found)
    return group(**values)


class SettingsGroup:
    """Base of the dataclasses of settings: one that is made by hand is checked like one that is read.

    Raises:
        InvalidArgumentError: A value is not valid.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        entries: tuple[Field[Any], ...] = fields(cast(Any, self))
        for entry in entries:
            value = getattr(self, entry.name)
            source = f"{type(self).__name__}.{entry.name}"
            if not entry.metadata:
                _check_is_group(entry, source, value)
            elif value is not entry.default:
                object.__setattr__(self, entry.name, _parsed(entry, source, value))


def _find(
    entry: Field[Any], prefix: str, environ: Mapping[str, str], file: SettingsFile, given: object
) -> tuple[str, object] | None:
    if given is not None:
        return prefix + entry.name, given
    variable = entry.metadata["env"]
    if environ.get(variable, "") != "":
        return variable, environ[variable]
    stored = file.get(entry.metadata["yaml"])
    return None if stored is None else (f"{entry.metadata['yaml']} in {file.path}", stored)


def _build_group(
    entry: Field[Any], prefix: str, environ: Mapping[str, str], file: SettingsFile, given: object
) -> object:
    if given is not None and not isinstance(given, Mapping):
        _check_is_group(entry, prefix + entry.name, given, " or a mapping of its fields")
        return given
    return build(_group_class(entry), environ, file, given or {}, f"{prefix}{entry.name}.")


def _check_is_group(entry: Field[Any], source: str, value: object, alternative: str = "") -> None:
    group = _group_class(entry)
    if not isinstance(value, group):
        raise InvalidArgumentError(
            f"{source} takes a {group.__name__}{alternative}, not {shorten(value)}.", field=source
        )


def _group_class(entry: Field[Any]) -> type[Any]:
    return cast(type[Any], entry.default_factory)


def _parsed(entry: Field[Any], source: str, value: object) -> object:
    try:
        return entry.metadata["parse"](value)
    except ValueError as error:
        shown = "***" if entry.name == "token" else shorten(value)
        raise InvalidArgumentError(f"{source} is {shown}: {error}.", field=entry.name, source=source) from error


def read_settings_file(
    explicit: str | Path | None, environ: Mapping[str, str], own_sections: Iterable[str], known: Iterable[SettingRow]
) -> SettingsFile:
    """The settings file; an empty one when none is named and there is none in the home directory.

    Raises:
        InvalidArgumentError: The named file cannot be read, is not YAML, or a section of our own has an unknown key.
    """
    named = explicit if explicit is not None else environ.get("FLOWCEPT_SETTINGS_PATH") or None
    file = Path(named).expanduser() if named is not None else Path.home() / ".flowcept" / "settings.yaml"
    if named is None and not file.is_file():
        return SettingsFile()
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidArgumentError(
            f"The settings file {file} cannot be read ({error.strerror}); correct FLOWCEPT_SETTINGS_PATH or create it.",
            field="FLOWCEPT_SETTINGS_PATH",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(
            f"The settings file {file} is not valid YAML: {error}.", field="FLOWCEPT_SETTINGS_PATH"
        ) from error
    if document is None:
        return SettingsFile()
    if not isinstance(document, Mapping):
        raise InvalidArgumentError(
            f"The settings file {file} must contain a mapping of sections, not {shorten(document)}.",
            field="FLOWCEPT_SETTINGS_PATH",
        )
    _refuse_unknown_keys(file, document, own_sections, {row.yaml for row in known})
    return SettingsFile(file, document)


def _refuse_unknown_keys(
    file: Path, document: Mapping[str, object], own_sections: Iterable[str], known: set[str]
) -> None:
    for section in own_sections:
        for key in _leaves(section, document.get(section)):
            if key not in known:
                in_section = ", ".join(sorted(name for name in known if name.startswith(f"{section}.")))
                raise InvalidArgumentError(
                    f"The settings file {file} has the unknown key {key}; known in {section}: {in_section}.", field=key
                )


def _leaves(prefix: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{prefix}.{name}", inner)
    elif value is not None:
        yield prefix
