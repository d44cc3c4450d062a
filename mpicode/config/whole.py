"""A whole configuration: from and to TOML."""

from __future__ import annotations

import copy
import dataclasses
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..registry import suggest
from ..tables import override, parse, read
from .asynchronous import Asynchronous
from .data import Data, Field
from .decoding import Decoding
from .element import Element
from .faults import Faults, Wire
from .infer import Infer
from .output import Checkpoint, Output
from .parts import Part
from .records import absolute, plain, to_record
from .run import Run
from .virtual import Virtual


@dataclass(frozen=True)
class Config:
    """A whole configuration."""

    data: Data
    problem: Part = field(default_factory=lambda: Part(""))
    optimizer: Part = field(default_factory=lambda: Part(""))
    code: Part = field(default_factory=lambda: Part("uncoded"))
    delays: Part = field(default_factory=lambda: Part("none"))
    decoding: Decoding = field(default_factory=Decoding)
    asynchronous: Asynchronous = field(default_factory=Asynchronous)
    run: Run = field(default_factory=Run)
    faults: Faults = field(default_factory=Faults)
    wire: Wire = field(default_factory=Wire)
    virtual: Virtual = field(default_factory=Virtual)
    output: Output = field(default_factory=Output)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    element: Element = field(default_factory=Element)
    infer: Infer | None = None
    field: Field = field(default_factory=Field)  # the last: it has the name of the function

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Config:
        """Read a TOML file; ``overrides`` are texts ``table.key=value`` with values as in TOML."""
        path = Path(path)
        return cls._from_tables(read(path), path.parent, overrides, str(path))

    @classmethod
    def loads(
        cls,
        text: str,
        folder: str | Path = ".",
        overrides: Iterable[str] = (),
        source: str = "configuration",
    ) -> Config:
        """Read TOML text whose relative paths are relative to ``folder``."""
        return cls._from_tables(parse(text, source), folder, overrides, source)

    @classmethod
    def _from_tables(
        cls, tables: Mapping[str, Any], folder: str | Path, overrides: Iterable[str], source: str
    ) -> Config:
        try:
            return cls.from_dict(override(tables, overrides), folder)
        except RecursionError:
            raise ConfigError(f"{source}: tables or lists are nested too deeply") from None

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any], folder: str | Path = ".") -> Config:
        """Check nested tables and make the record; raises `ConfigError` for the first wrong key."""
        hints = typing.get_type_hints(cls)
        tables = plain(tables)
        for name, table in tables.items():
            if name == "sweep":
                raise ConfigError("sweep: several runs; mpicode.sweep.Sweep gives each of them")
            if name not in hints:
                raise ConfigError(f"{name}: no such table; {suggest(name, hints)}")
            if not isinstance(table, Mapping):
                raise ConfigError(f"{name}: wants a table, got {table!r}")
        records: dict[str, Any] = {}
        for name, kind in hints.items():
            if name in tables:
                records[name] = to_record(Infer if name == "infer" else kind, name, tables[name])
        # what infers trains nothing, and a function of one's own needs no problem
        wanted = ("data",) if "infer" in records else ("data", "problem", "optimizer")
        for missing in wanted:
            if missing not in records:
                raise ConfigError(f"{missing}: table is missing")
        config = cls(**records)
        if config.run.record_every is not None and config.asynchronous.mode in (None, "round"):
            raise ConfigError("run.record_every: belongs to an asynchronous run, not one in rounds")
        for key in ("n_workers", "seed"):
            if key in config.code.parameters:
                raise ConfigError(f"code.{key}: no such key; run.{key} holds for the code, too")
        return config._resolved(Path(folder))

    def to_dict(self) -> dict[str, Any]:
        """Return nested tables, complete with all defaults; keys without a value are left out."""
        tables: dict[str, Any] = {}
        for entry in dataclasses.fields(self):
            record = getattr(self, entry.name)
            if record is None or (isinstance(record, Part) and not record.name):
                continue
            if isinstance(record, Part):
                values = {"name": record.name, **copy.deepcopy(record.parameters)}
            else:
                values = dataclasses.asdict(record)
            tables[entry.name] = {k: v for k, v in values.items() if v is not None}
        if not tables["element"]:
            del tables["element"]
        if self.asynchronous.mode is None:
            del tables["asynchronous"]
        return tables

    def to_toml(self) -> str:
        """Return the text of a configuration file that says the same."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def replace(self, table: str, **values: Any) -> Config:
        """Return a configuration with some keys of one table changed."""
        return dataclasses.replace(
            self, **{table: dataclasses.replace(getattr(self, table), **values)}
        )

    def _resolved(self, folder: Path) -> Config:
        def absolute_if_any(key: str, path: str | None) -> str | None:
            return None if path is None else absolute(key, path, folder)

        data = dataclasses.replace(
            self.data,
            path=absolute("data.path", self.data.path, folder),
            test=absolute_if_any("data.test", self.data.test),
            coded=absolute_if_any("data.coded", self.data.coded),
        )
        delays = copy.deepcopy(self.delays)
        if isinstance(delays.parameters.get("path"), str):
            delays.parameters["path"] = absolute("delays.path", delays.parameters["path"], folder)
        output = dataclasses.replace(
            self.output, path=absolute_if_any("output.path", self.output.path)
        )
        checkpoint = dataclasses.replace(
            self.checkpoint, path=absolute_if_any("checkpoint.path", self.checkpoint.path)
        )
        infer = self.infer and dataclasses.replace(
            self.infer, parameters=absolute_if_any("infer.parameters", self.infer.parameters)
        )
        return dataclasses.replace(
            self, data=data, delays=delays, output=output, checkpoint=checkpoint, infer=infer
        )
