"""The configuration: typed records from and to TOML, and every default in one place.

Keys are the Python parameter names. The tables ``problem``, ``code``, ``optimizer`` and ``delays``
name a part and give its parameters, which are those of the part's constructor; they are checked
when the part is built. All other tables are the records below. Relative paths are relative to the
configuration file.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .errors import ConfigError
from .registry import coerce, suggest
from .tables import override, parse, read


@dataclass(frozen=True)
class Data:
    """``[data]``: what to train on, and what to keep aside."""

    path: str
    """Dataset file."""
    test: str | None = None
    """Dataset file to evaluate on."""
    test_fraction: float = 0.0
    """Without ``test``: share of the rows of ``path`` to keep aside, drawn from ``run.seed``."""
    memory_mb: float = 2048.0
    """Most memory each worker keeps its rows in; what does not fit is read again each iteration."""
    coded: str | None = None
    """Folder of coded files, made by ``mpicode data encode``, that workers of a data code read
    instead of ``path``."""

    def __post_init__(self) -> None:
        _within("data.test_fraction", self.test_fraction, 0.0, below=1)
        _within("data.memory_mb", self.memory_mb, 0.0)
        if self.test is not None and self.test_fraction:
            raise ConfigError("data.test_fraction: cannot be given together with data.test")


@dataclass(frozen=True)
class Part:
    """A table that names a part: ``name`` and the parameters of its constructor."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """``[run]``: how many workers, and when to stop."""

    n_workers: int = 8
    """Workers; under MPI there is one more rank, the master."""
    iterations: int = 100
    """Most iterations."""
    target_loss: float | None = None
    """Stop once the training loss is at or below this."""
    target_gradient_norm: float | None = None
    """Stop once the Euclidean norm of the gradient is at or below this."""
    max_seconds: float | None = None
    """Stop after this much run time."""
    seed: int = 0
    """Of everything random, each in a stream of its own."""
    dtype: Literal["float32", "float64"] = "float64"
    """Of the data, the messages and the snapshots; the master keeps the parameters in float64."""
    batch_size: int | None = None
    """Rows per iteration, over all blocks together; absent: all rows."""
    evaluate_every: int = 10
    """Iterations between evaluations on held-out data."""
    record_every: int | None = None
    """Messages used per iteration of an asynchronous run; absent: as many as there are workers."""
    placement: Literal["spread", "as-numbered"] = "spread"
    """Which worker has which place in the code: so that a node holds few copies of each block, or
    in the order of the ranks. On one node it is the same."""

    def __post_init__(self) -> None:
        _within("run.n_workers", self.n_workers, 1)
        _within("run.iterations", self.iterations, 0)
        _within("run.seed", self.seed, 0, below=2**63)  # the run file holds it as an integer
        _within("run.evaluate_every", self.evaluate_every, 1)
        if self.record_every is not None:
            _within("run.record_every", self.record_every, 1)
        if self.target_loss is not None and math.isnan(self.target_loss):
            raise ConfigError("run.target_loss: must be a number, got nan")
        for key in ("target_gradient_norm", "max_seconds"):
            value = getattr(self, key)
            if value is not None:
                _within(f"run.{key}", value, 0.0)
        if self.batch_size is not None:
            _within("run.batch_size", self.batch_size, 1)


@dataclass(frozen=True)
class Decoding:
    """``[decoding]``: when enough has arrived, and what is made of it.

    An iteration ends as soon as what arrived gives the exact sum, or one of the three rules below
    holds. Without any of them the code says itself when it has enough.
    """

    method: Literal["optimal", "fixed", "onestep", "kaczmarz", "ortho", "peel", "kalman"] = (
        "optimal"
    )
    """The scheme's own decoding, least squares where it has none; or the coefficients of the full
    set, scaled up to stay unbiased; or message by message, as light codewords are decoded."""
    n_answers: int | None = None
    """Enough are so many messages, whichever they are."""
    max_residual: float | None = None
    """Enough is what misses at most this share of what no message at all misses."""
    deadline: float | None = None
    """Seconds after which an iteration makes do with what has arrived."""
    correct_step: bool = True
    """Divide decoded sums that fall short by what they are expected to fall short by."""
    max_error: float | None = None
    """Most by which rounding of the messages may grow; absent: 1e-8, in float32 1e-3."""

    def __post_init__(self) -> None:
        if self.n_answers is not None:
            _within("decoding.n_answers", self.n_answers, 1)
        if self.max_residual is not None:
            _within("decoding.max_residual", self.max_residual, 0.0, below=1)
        if self.deadline is not None and not 0.0 < self.deadline < math.inf:
            raise ConfigError(f"decoding.deadline: must be above 0 and finite, got {self.deadline}")
        if self.max_error is not None:
            _within("decoding.max_error", self.max_error, 0.0)


@dataclass(frozen=True)
class Asynchronous:
    """``[asynchronous]``: descent that waits for nobody, and uses every message as it comes.

    A version of the parameters is what each used message makes of the one before; the age of a
    message is how many versions there have been since the one it was computed at. A row of
    /iterations, of which ``run.iterations`` counts the most, stands for ``run.record_every``
    messages.
    """

    mode: Literal["direct", "memory", "sega", "round"] | None = None
    """What a message does: a step along itself; a better estimate of the gradient, and a step along
    that; the same, along an estimate without bias; or nothing until all of one version are enough
    for the sum. Absent: the run is synchronous."""
    rows: Literal["queue", "fixed"] = "queue"
    """Messages are asked of whoever is idle, in turn; or always of their owners."""
    decoder: str | dict[str, Any] | None = None
    """What keeps the estimate: a name, or a table of ``name`` and parameters; absent: ``kaczmarz``
    in ``memory``, the code's own in ``round``."""
    max_staleness: int | None = None
    """Oldest messages that are used, in versions; absent: 4 times the messages of the code."""
    n_codewords: int = 1
    """Messages asked for at once, which come one by one."""
    messages_per_step: int = 1
    """Messages whose mean makes one step, in ``direct`` and ``memory``."""
    ask: Literal["at-once", "after-step"] = "at-once"
    """When a worker that has answered is asked again: at once, or with the next step."""
    downlink: Literal["parameters", "updates"] = "parameters"
    """What workers are sent: the parameters, or the messages used since, which they replay."""
    n_checks: int = 0
    """Messages that a ``round`` waits for beyond those it needs, to find out damaged ones."""

    def __post_init__(self) -> None:
        for key in ("n_codewords", "messages_per_step"):
            _within(f"asynchronous.{key}", getattr(self, key), 1)
        _within("asynchronous.n_checks", self.n_checks, 0)
        if self.max_staleness is not None:
            _within("asynchronous.max_staleness", self.max_staleness, 0)
        only = {
            "decoder": ("memory", "round"),
            "max_staleness": ("direct", "memory", "sega"),
            "messages_per_step": ("direct", "memory"),
            "ask": ("direct", "memory"),
            "n_checks": ("round",),
            "downlink": ("direct",),
        }
        defaults = {entry.name: entry.default for entry in dataclasses.fields(self)}
        if self.mode is None:
            given = [key for key in defaults if getattr(self, key) != defaults[key]]
            if given:
                raise ConfigError(f"asynchronous.{given[0]}: asynchronous.mode is missing")
            return
        for key, modes in only.items():
            if getattr(self, key) != defaults[key] and self.mode not in modes:
                raise ConfigError(
                    f"asynchronous.{key}: belongs to mode {' or '.join(modes)}, not {self.mode!r}"
                )


@dataclass(frozen=True)
class Faults:
    """``[faults]``: what becomes of a run that loses workers."""

    survive: bool = True
    """Start mpirun so that the others go on when a worker dies, where this MPI can do that."""
    when_lost: Literal["restore", "approximate", "stop"] = "restore"
    """What to do about lost workers: make the code anew over those left, which read their new rows
    while the iterations go on; nothing; or, as soon as those left cannot give the exact sum, stop
    with exit code 4. Until then, and with nothing done, the best estimate is taken."""
    on_error: Literal["stop", "lose"] = "stop"
    """What an exception in a worker means: the end of the run, or the loss of that worker."""
    silent_seconds: float = 300.0
    """A worker that has not answered for so long is not waited for until it answers again."""
    inject: list[dict[str, Any]] = field(default_factory=list)
    """Faults that the run is to meet: a ``kind`` each, and its parameters."""

    def __post_init__(self) -> None:
        if not self.silent_seconds > 0.0:
            raise ConfigError(f"faults.silent_seconds: must be above 0, got {self.silent_seconds}")


@dataclass(frozen=True)
class Wire:
    """``[wire]``: the messages between master and workers."""

    checksum: bool = False
    """Hold each answer against a checksum; done anyway where corruption is injected."""


@dataclass(frozen=True)
class Virtual:
    """``[virtual]``: how long things take under the virtual clock (``--simulate``)."""

    seconds_per_row: float = 1e-6
    """Time to compute on one row, with a core to oneself."""
    latency_seconds: float = 50e-6
    """Time from sending a message to its arrival, without its bytes."""
    bytes_per_second: float = 0.0
    """Bandwidth of each worker's link; 0: unlimited."""
    workers_per_node: int = 1
    """More workers than cores share the cores evenly."""
    cores_per_node: int = 1
    """Cores of each node."""
    downlink_bytes_per_second: float | None = None
    """Of what workers are sent, where that is another one than of what they send."""

    def __post_init__(self) -> None:
        for key in ("seconds_per_row", "latency_seconds", "bytes_per_second"):
            _within(f"virtual.{key}", getattr(self, key), 0.0, below=math.inf)
        downlink = self.downlink_bytes_per_second
        if downlink is not None:
            _within("virtual.downlink_bytes_per_second", downlink, 0.0, below=math.inf)
        _within("virtual.workers_per_node", self.workers_per_node, 1)
        _within("virtual.cores_per_node", self.cores_per_node, 1)


@dataclass(frozen=True)
class Infer:
    """``[infer]``: what ``mpicode infer`` evaluates on all rows of ``data.path``."""

    function: str | None = None
    """``module:function`` from rows, (n_rows, n_features), to outputs, (n_rows, n_outputs), that
    every rank can import; absent: the outputs of ``[problem]``."""
    parameters: str | None = None
    """Run file with the problem's parameters; absent: those it begins with."""
    per: Literal["sample", "block"] = "sample"
    """What the function is of: each row by itself, or a whole block."""
    batch_size: int | None = None
    """Rows per round, over all blocks together; absent: as many as keep messages near 8 MB."""
    check: float = 0.0
    """Share of the rows whose outputs the master computes too, uncoded, to compare."""

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            _within("infer.batch_size", self.batch_size, 1)
        _within("infer.check", self.check, 0.0, below=1.0000001)
        if self.function is not None and self.parameters is not None:
            raise ConfigError(
                "infer.parameters: are the problem's, cannot be given with a function"
            )
        if self.per == "block" and self.function is None:
            raise ConfigError("infer.per: 'block' wants a function; [problem] has outputs per row")


@dataclass(frozen=True)
class Field:
    """``[field]``: how a code over a prime field (``code.prime``) writes numbers."""

    data_bits: int = 12
    """Of fraction, for features; where there are coded files, theirs count."""
    parameter_bits: int = 12
    """Of fraction, for parameters, and as many more than ``data_bits`` for labels; likewise."""
    largest_parameter: float = 16.0
    """Magnitude that no parameter exceeds; the field must have room for gradients of such ones."""

    def __post_init__(self) -> None:
        _within("field.data_bits", self.data_bits, 0)
        _within("field.parameter_bits", self.parameter_bits, 0)
        if not 0.0 < self.largest_parameter < math.inf:
            raise ConfigError(
                f"field.largest_parameter: must be above 0 and finite, got {self.largest_parameter}"
            )


@dataclass(frozen=True)
class Output:
    """``[output]``: where the run file goes."""

    path: str | None = None
    """Run file; absent: none is written by the Python call, ``NAME.h5`` by the command line."""
    flush_seconds: float = 1.0
    """Most run time that a crash may cost the run file."""

    def __post_init__(self) -> None:
        _within("output.flush_seconds", self.flush_seconds, 0.0)


@dataclass(frozen=True)
class Checkpoint:
    """``[checkpoint]``: how often the state is kept, from which ``--resume`` goes on.

    It is also kept when the run ends, for whatever reason it can be told.
    """

    path: str | None = None
    """Folder; absent: ``NAME.checkpoints`` beside the run file ``NAME.h5``."""
    every: int | None = None
    """Iterations from one to the next; absent: by ``seconds`` alone."""
    seconds: float = 60.0
    """Run time from one to the next; inf: by ``every`` alone."""
    keep: int = 2
    """How many of a run are kept; 0: none is written."""

    def __post_init__(self) -> None:
        if self.every is not None:
            _within("checkpoint.every", self.every, 1)
        _within("checkpoint.seconds", self.seconds, 0.0)
        _within("checkpoint.keep", self.keep, 0)


@dataclass(frozen=True)
class Element:
    """``[element]``: which run of a sweep this is; written by `mpicode.sweep` into run files."""

    number: int | None = None
    """Of the element, from 0 on; absent: the run is none of a sweep."""
    changes: dict[str, Any] | None = None
    """What it changed, by keys ``table.key``."""


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
        tables = _plain(tables)
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
                records[name] = _record(Infer if name == "infer" else kind, name, tables[name])
        # what infers trains nothing, and a function of one's own needs no problem
        wanted = ("data",) if "infer" in records else ("data", "problem", "optimizer")
        for missing in wanted:
            if missing not in records:
                raise ConfigError(f"{missing}: table is missing")
        config = cls(**records)
        if config.run.record_every is not None and config.asynchronous.mode in (None, "round"):
            raise ConfigError("run.record_every: belongs to an asynchronous run, not one in rounds")
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
        def absolute(key: str, path: str) -> str:
            try:
                return str((folder / Path(path).expanduser()).resolve())
            except (OSError, RuntimeError, ValueError) as error:
                raise ConfigError(f"{key}: {path[:40]!r} is no path: {error}") from None

        def absolute_if_any(key: str, path: str | None) -> str | None:
            return None if path is None else absolute(key, path)

        data = dataclasses.replace(
            self.data,
            path=absolute("data.path", self.data.path),
            test=absolute_if_any("data.test", self.data.test),
            coded=absolute_if_any("data.coded", self.data.coded),
        )
        delays = copy.deepcopy(self.delays)
        if isinstance(delays.parameters.get("path"), str):
            delays.parameters["path"] = absolute("delays.path", delays.parameters["path"])
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


def _plain(value: Any) -> Any:
    """Return nested tables without numpy's numbers and paths, so that TOML can hold them."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _record(kind: type, name: str, table: Mapping[str, Any]) -> Any:
    if kind is Part:
        values = dict(table)
        part = values.pop("name", None)
        if not isinstance(part, str):
            raise ConfigError(
                f"{name}.name: missing" if part is None else f"{name}.name: wants a string"
            )
        return Part(part, values)
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in hints:
            raise ConfigError(f"{name}.{key}: no such key; {suggest(key, hints)}")
    for entry in dataclasses.fields(kind):
        required = entry.default is entry.default_factory is dataclasses.MISSING
        if required and entry.name not in table:
            raise ConfigError(f"{name}.{entry.name}: missing")
    return kind(**{key: coerce(value, hints[key], f"{name}.{key}") for key, value in table.items()})


def _within(key: str, value: float, low: float, below: float | None = None) -> None:
    """Raise `ConfigError` unless ``low <= value``, and ``value < below`` where that is given."""
    if value >= low and (below is None or value < below):
        return
    bound = f"at least {low:g}"
    if below is not None:
        bound += " and finite" if below == math.inf else f" and below {below}"
    raise ConfigError(f"{key}: must be {bound}, got {value!r}")
