"""Sweeps: one configuration file that describes several runs.

The table ``[sweep]`` says what differs between them, as a ``grid`` (for each key the values to try;
the runs are all combinations, the last key changes fastest) or as a ``list`` (for each run the keys
it changes). The runs, called elements, are numbered from 0, so that a job array can do one each.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .config import Config, Element, Part
from .errors import ConfigError, DataError
from .registry import suggest
from .tables import Change, change_of, changed, read

# More is a typing error rather than a wish, and more than schedulers take in one array.
_MOST_ELEMENTS = 10_000
_FORMS = ("grid", "list")

Changes = tuple[Change, ...]


class Sweep:
    """The runs that a configuration file describes; without ``[sweep]`` it describes one.

    ``changes[k]`` is what element ``k`` changes in the tables of the file.
    """

    def __init__(self, tables: Mapping[str, Any], folder: Path, source: str) -> None:
        self._tables = {name: table for name, table in tables.items() if name != "sweep"}
        self._folder = folder
        self._source = source
        self.is_one_run = "sweep" not in tables
        self.changes: list[Changes] = [()] if self.is_one_run else _elements(tables["sweep"])

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Sweep:
        """Read a TOML file; ``overrides`` are texts ``table.key=value`` with values as in TOML.

        Raises `ConfigError`, also for an override of what the sweep itself changes.
        """
        path, wanted = Path(path), list(map(change_of, overrides))
        sweep = cls(changed(read(path), wanted), path.parent, str(path))
        swept = {change.key for changes in sweep.changes for change in changes}
        for change in wanted:
            if change.key in swept:
                raise ConfigError(f"{change.key}: cannot be set, [sweep] of {path} changes it")
        return sweep

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.changes)

    def config(self, element: int | None = None) -> Config:
        """Return the configuration of one element; by default of the one run there is.

        An element's run file is ``NAME-K.h5`` where the configuration says ``NAME.h5``. Raises
        `ConfigError`, which names the element.
        """
        n = len(self)
        if element is None:
            if not self.is_one_run:
                raise ConfigError(
                    f"sweep: {self._source} describes {n} runs; choose one by --element 0 to "
                    f"{n - 1}"
                )
            # the configuration of an element, taken out of its run file, is a run by itself
            return dataclasses.replace(self._config(()), element=Element())
        if self.is_one_run:
            raise ConfigError(f"--element {element}: there is no [sweep] in {self._source}")
        if not 0 <= element < n:
            raise ConfigError(
                f"--element {element}: [sweep] of {self._source} has the elements 0 to {n - 1}"
            )
        with self.named(element):
            config = self._config(self.changes[element])
        given = {change.key: change.value for change in self.changes[element]}
        config = dataclasses.replace(config, element=Element(element, given))
        for table in ("output", "checkpoint"):
            path = getattr(config, table).path
            if path is not None and f"{table}.path" not in given:
                config = config.replace(table, path=str(numbered(path, element)))
        return config

    @contextlib.contextmanager
    def named(self, element: int) -> Iterator[None]:
        """Have the errors of a configuration say which element they are about."""
        try:
            yield
        except (ConfigError, DataError) as error:
            text = f"sweep: element {element} ({self.describe(element)}): {error}"
            raise type(error)(text) from None

    def describe(self, element: int) -> str:
        """Return what an element changes, in one line."""
        texts = (f"{change.key} = {_short(change.value)}" for change in self.changes[element])
        return ", ".join(texts) or "no changes"

    def _config(self, changes: Changes) -> Config:
        try:
            return Config.from_dict(changed(self._tables, changes), self._folder)
        except RecursionError:
            raise ConfigError(f"{self._source}: tables or lists are nested too deeply") from None


def numbered(path: str | Path, element: int) -> Path:
    """Return where an element keeps what a single run would keep at ``path``."""
    path = Path(path)
    return path.with_name(f"{path.stem}-{element}{path.suffix}")


def _elements(table: Any) -> list[Changes]:
    if not isinstance(table, Mapping):
        raise ConfigError(f"sweep: wants a table, got {_short(table)}")
    for form in table:
        if form not in _FORMS:
            raise ConfigError(f"sweep.{form}: no such key; {suggest(form, _FORMS)}")
    if len(table) != 1:
        told = "both are given" if table else "neither is given"
        raise ConfigError(f"sweep: wants either grid or list, {told}")
    found = _grid(table["grid"]) if "grid" in table else _list(table["list"])
    if not found:
        raise ConfigError("sweep: describes no run at all")
    return found


def _grid(table: Any) -> list[Changes]:
    axes = list(_changes(table, "sweep.grid"))
    for axis in axes:
        if not isinstance(axis.value, list) or not axis.value:
            raise ConfigError(
                f"sweep.grid: {axis.key} wants a list of values to try, got {_short(axis.value)}"
            )
    n_elements = math.prod(len(axis.value) for axis in axes)
    if n_elements > _MOST_ELEMENTS:
        raise ConfigError(f"sweep.grid: {n_elements} combinations, at most {_MOST_ELEMENTS}")
    if not axes:
        return []
    choices = ([axis._replace(value=value) for value in axis.value] for axis in axes)
    return list(itertools.product(*choices))


def _list(tables: Any) -> list[Changes]:
    if not isinstance(tables, list):
        raise ConfigError(f"sweep.list: wants a list of tables, got {_short(tables)}")
    if len(tables) > _MOST_ELEMENTS:
        raise ConfigError(f"sweep.list: {len(tables)} elements, at most {_MOST_ELEMENTS}")
    return [tuple(_changes(each, f"sweep.list[{k}]")) for k, each in enumerate(tables)]


def _changes(table: Any, where: str) -> Iterator[Change]:
    """Yield what a table changes, its keys written as ``code.name`` or ``"code.name"``."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: wants a table, got {_short(table)}")
    seen = set()
    for key, value in table.items():
        first, dot, rest = key.partition(".")
        if not dot and not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {key} wants to be written table.key, as code.name")
        for name, own in ((rest, value),) if dot else value.items():
            change = Change(first, name, own)
            _check_key(change, where)
            if change.key in seen:
                raise ConfigError(f"{where}: {change.key} is there twice")
            seen.add(change.key)
            yield change


def _check_key(change: Change, where: str) -> None:
    """Raise `ConfigError` for a key there is not; parameters of parts are theirs to check."""
    tables = {k: kind for k, kind in typing.get_type_hints(Config).items() if kind is not Element}
    if change.table not in tables:
        raise ConfigError(f"{where}: {change.key}: no such table; {suggest(change.table, tables)}")
    kind = tables[change.table]
    keys: Sequence[str] = list(typing.get_type_hints(kind))
    if kind is not Part and change.name not in keys:
        raise ConfigError(f"{where}: {change.key}: no such key; {suggest(change.name, keys)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
