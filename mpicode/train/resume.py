"""Going on from a checkpoint: which one, whether it belongs to this run, and what time it is."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..codes import DataCode, GradientCode
from ..config import Config, Part
from ..errors import ConfigError, DataError
from ..registry import parameters_of
from ..results import Checkpoint, CheckpointFolder, RunData, read_run, recorded
from .common import Common

# What must be as it was; anything else may change.
_FIXED = ("seed", "dtype", "batch_size")
# Tables that the times under the virtual clock follow from, beside what must be as it was; and keys
# of ``run``.
_TIMING = ("delays", "virtual", "decoding", "asynchronous", "faults", "wire")
_PLACING = ("n_workers", "placement")


@dataclass
class Resumption:
    """Where a run goes on.

    path       : the checkpoint's file
    checkpoint : what is in it
    notes      : lines that the user should read
    """

    path: Path
    checkpoint: Checkpoint
    notes: list[str] = field(default_factory=list)


def folder_of(config: Config) -> CheckpointFolder | None:
    """Return where the checkpoints of a run are, None where it keeps none."""
    table = config.checkpoint
    if table.path is not None:
        path = Path(table.path)
    elif config.output.path is not None:
        path = Path(config.output.path).with_suffix(".checkpoints")
    else:
        return None
    return CheckpointFolder(path, table.keep) if table.keep else None


def facts(setup: Common) -> dict[str, Any]:
    """Return what a run and its checkpoints have to agree on, by the keys of the configuration."""
    config = setup.config
    run = config.run
    return {
        "data.path": setup.fingerprint,
        "data.test_fraction": config.data.test_fraction,
        **{f"run.{key}": getattr(run, key) for key in _FIXED},
        **_part("problem", config.problem, type(setup.problem)),
        "n_parameters": setup.problem.n_parameters,
        **_part("code", config.code, type(setup.code)),
        **_part("optimizer", config.optimizer, type(setup.optimizer())),
        "run.n_workers": run.n_workers,
        "n_blocks": setup.code.n_blocks,
        "encoding": _hash(setup.code),
        **_asynchronous(config),
    }


def _asynchronous(config: Config) -> dict[str, Any]:
    """Return what the memory of an asynchronous run hangs on; nothing for a synchronous one."""
    table = config.asynchronous
    if table.mode is None:
        return {}
    keys = ["mode", "decoder", "messages_per_step", "even"]
    if table.repack_every:
        keys += ["repack_every", "repack_noise"]
    return {f"asynchronous.{key}": getattr(table, key) for key in keys}


def _part(table: str, part: Part, made: type) -> dict[str, Any]:
    """Return name and parameters of a part, those left out by their defaults."""
    own = parameters_of(made).values()
    defaults = {p.name: p.default for p in own if p.default is not inspect.Parameter.empty}
    plain = (bool, int, float, str, type(None))
    known = {key: value for key, value in defaults.items() if isinstance(value, plain)}
    values = {**known, **part.parameters}
    return {f"{table}.name": part.name, **{f"{table}.{k}": values[k] for k in sorted(values)}}


def _hash(code: GradientCode | DataCode) -> str:
    if isinstance(code, DataCode):
        return hashlib.sha256(repr(code.storage.tolist()).encode()).hexdigest()
    whole = hashlib.sha256(repr((code.encoding.shape, str(code.encoding.dtype))).encode())
    for array in (code.encoding.data, code.encoding.indices, code.encoding.indptr, code.owner):
        wide = array.astype(np.int64) if array.dtype.kind == "i" else array
        whole.update(np.ascontiguousarray(wide).data)
    return whole.hexdigest()


def find(ours: Mapping[str, Any], folder: CheckpointFolder | None) -> Resumption | None:
    """Return where a run with the facts ``ours`` goes on, None to start from the beginning.

    Raises `ConfigError` where the checkpoint belongs to another run, naming the first difference,
    and `DataError` where there are checkpoints but none can be read.
    """
    if folder is None:
        raise ConfigError(
            "checkpoint.path: --resume needs it, or output.path, and checkpoint.keep above 0"
        )
    found = folder.newest()
    if found is None:
        return None
    path, checkpoint, damaged = found
    _compare(checkpoint.identity, ours, path)
    if checkpoint.parameters.size != ours["n_parameters"]:
        raise DataError(
            f"{path}: {checkpoint.parameters.size} parameters, the problem has "
            f"{ours['n_parameters']}"
        )
    notes = [f"{error}; the checkpoint before it is used, {path.name}" for error in damaged]
    theirs = checkpoint.identity
    if theirs.get("run.n_workers") != ours["run.n_workers"]:
        notes.append(
            f"{ours['run.n_workers']} workers instead of {theirs.get('run.n_workers')}: iterates "
            "are the same up to rounding at best"
        )
    if theirs.get("clock") != ours["clock"]:
        notes.append(f"run time was {theirs.get('clock')} so far, and is {ours['clock']} now")
    return Resumption(path, checkpoint, notes)


def _compare(theirs: Mapping[str, Any], ours: Mapping[str, Any], path: Path) -> None:
    """Raise `ConfigError` for the first thing that this run and a checkpoint do not agree on."""
    other_workers = theirs.get("run.n_workers") != ours["run.n_workers"]
    for key in {**ours, **theirs}:
        a, b = ours.get(key, "absent"), theirs.get(key, "absent")
        if _equal(a, b) or key == "clock":
            continue
        if key in ("run.n_workers", "encoding") and other_workers:
            continue
        if key == "n_blocks":
            if ours["run.batch_size"] is None:
                continue
            raise ConfigError(
                f"run.n_workers: {ours['run.n_workers']} workers make {a} blocks, but {path} is "
                f"of a run with {b}, and run.batch_size draws its rows from each block"
            )
        if key == "data.path":
            raise ConfigError(
                f"data.path: the rows have fingerprint {str(a)[:16]}, but {path} is of a run on "
                f"rows with fingerprint {str(b)[:16]}"
            )
        if key == "encoding":
            raise ConfigError(
                f"code: its encoding hashes to {str(a)[:16]}, but {path} was written with one of "
                f"the same parameters that hashes to {str(b)[:16]}"
            )
        raise ConfigError(f"{key}: {a!r}, but {path} is of a run with {b!r}")


def _equal(ours: Any, theirs: Any) -> bool:
    """Compare what is to be stored with what was; JSON has no tuples, and here NaN is a number."""
    return bool(ours == theirs or json.dumps(ours, default=str) == json.dumps(theirs))


def nothing_to_do(config: Config, checkpoint: Checkpoint) -> str | None:
    """Return why there is nothing to go on for, None if there is something.

    A run whose run file is not whole is never done.
    """
    if config.output.path is not None:
        try:
            left = read_run(config.output.path)
        except DataError:
            return None
        whole = left.complete and left.n_iterations == len(checkpoint.rows)
        if left.attrs.get("created") != checkpoint.created or not whole:
            return None
    n = checkpoint.iteration
    if checkpoint.complete and _stop_rules(_config_of(checkpoint)) == _stop_rules(config.to_dict()):
        return f"nothing to do: {checkpoint.outcome}"
    if checkpoint.complete and n >= config.run.iterations:
        return f"nothing to do: {n} iterations done, run.iterations is {config.run.iterations}"
    return None


def _stop_rules(config: Mapping[str, Any]) -> list[Any]:
    keys = ("iterations", "target_loss", "target_gradient_norm", "max_seconds")
    return [config["run"].get(key) for key in keys]


def _config_of(checkpoint: Checkpoint) -> dict[str, Any]:
    return Config.loads(checkpoint.config).to_dict()


def same_times(config: Config, facts: Mapping[str, Any], checkpoint: Checkpoint) -> bool:
    """Return whether a run's time is virtual and has followed from the same numbers so far."""
    ours, theirs = config.to_dict(), _config_of(checkpoint)
    return (
        checkpoint.identity.get("clock") == facts["clock"] == "virtual"
        and all(ours.get(name) == theirs.get(name) for name in _TIMING)
        and all(ours["run"][key] == theirs["run"].get(key, ours["run"][key]) for key in _PLACING)
        and ours["data"].get("memory_mb") == theirs["data"].get("memory_mb")
    )


def earlier(config: Config, checkpoint: Checkpoint) -> RunData:
    """Return what the run file of a resumed run begins with; see `recorded`."""
    assert config.output.path is not None
    others: Iterable[str] = filter(None, [_config_of(checkpoint)["output"].get("path")])
    path = Path(config.output.path)
    return recorded(checkpoint, path, map(Path, others), config.run.n_workers)
