"""A configuration as nested tables, before anything in it is checked: read, and changed by keys."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .errors import ConfigError, said

_VERY_DEEP = re.compile(r"(?<![\w'\"-])(?:[\w'\"-]++[ \t]*+\.[ \t]*+){200}")


class Change(NamedTuple):
    """Another value for one key of one table."""

    table: str
    name: str
    value: Any

    @property
    def key(self) -> str:
        """The key as users write it, ``table.name``."""
        return f"{self.table}.{self.name}"


def read(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; raises `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except OSError as error:
        raise ConfigError(f"{path}: {said(error)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> dict[str, Any]:
    """Return the tables of a TOML text, which errors call ``source``; raises `ConfigError`."""
    try:
        # tomllib takes time by the square of that depth
        if _VERY_DEEP.search(text):
            raise RecursionError
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{source}: tables or lists are nested too deeply") from None
    except ValueError as error:  # of TOML, or of a number of thousands of digits
        raise ConfigError(f"{source}: not TOML: {str(error).lower()}") from None


def changed(tables: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """Return ``tables`` with each change made.

    Another ``name`` names another part, so the parameters of the one there was go with it.
    """
    made = copy.deepcopy(dict(tables))
    for table, name, value in sorted(changes, key=lambda change: change.name != "name"):
        target = made.setdefault(table, {})
        if not isinstance(target, dict):
            raise ConfigError(f"{table}: wants a table, got {target!r}")
        if name == "name" and target.get("name") != value:
            target.clear()
        target[name] = copy.deepcopy(value)
    return made


def override(tables: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return ``tables`` with each ``table.key=value`` put in; see `changed`."""
    return changed(tables, map(change_of, overrides))


def change_of(text: str) -> Change:
    """Return the change that ``table.key=value`` asks for; a value that is no TOML is a string."""
    key, equals, value = text.partition("=")
    table, dot, name = key.strip().partition(".")
    if not (equals and dot and table and name):
        raise ConfigError(f"--set {text}: wants table.key=value")
    try:
        return Change(table, name, tomllib.loads(f"value = {value}")["value"])
    except ValueError:
        return Change(table, name, value.strip())
