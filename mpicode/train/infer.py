"""A function of each row, or of each block, evaluated over workers by a data code."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..codes import DataCode
from ..codes.data.approximate import ApproximateCode
from ..config import Config, Field
from ..errors import ConfigError
from ..results.inference import write_inference
from .data_rules import check_stability
from .infer_blocks import infer_blocks
from .infer_checks import compare
from .infer_setup import InferSetup, infer_setup
from .inference import Inference, collected, rms
from .map_job import MapJob, Master, Values, in_process, over_mpi
from .world import costs, refuse_world

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

Array = NDArray[Any]


def infer(
    what: Config | Mapping[str, Any] | str | os.PathLike[str] | Callable[[Array], ArrayLike],
    comm: Intracomm | None = None,
    *,
    blocks: Sequence[ArrayLike] | None = None,
    code: DataCode | None = None,
    deadline: float | None = None,
    target_error: float | None = None,
    field: Field | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Inference | None:
    """Evaluate a function over the workers of a data code.

    what        : what the table ``[infer]`` says, on all rows: a `Config`, the nested tables of
                  one, or the path of a TOML file; or a function of your own, with ``blocks``, the
                  ``code.n_blocks`` arrays it is wanted of, the ``code``, and the seconds after
                  which it is made do with what has arrived, or given up, and ``target_error`` as
                  in ``[infer]`` and, for a code with a prime, ``field`` as the table ``[field]``
    comm        : an mpi4py communicator whose rank 0 becomes the master and ranks 1 to
                  ``run.n_workers`` the workers; all its ranks must call. None: the workers live in
                  this process, under a virtual clock
    interrupted : asked while waiting; True ends the inference

    Returns the `Inference` on the master, None on all other ranks. Raises `ConfigError`,
    `DataError`, `NotDecodable` where too few answer, `GaveUp` where it was interrupted, or
    `WorkerFailed`.
    """
    if callable(what):
        if blocks is None or code is None:
            raise ConfigError("infer: a function wants blocks and code with it")
        return infer_blocks(what, blocks, code, comm, deadline, target_error, field, interrupted)
    if any(given is not None for given in (blocks, code, deadline, target_error, field)):
        raise ConfigError("infer: blocks, code, deadline, target_error, field go with a function")
    if isinstance(what, Mapping):
        config = Config.from_dict(what)
    else:
        config = what if isinstance(what, Config) else Config.load(os.fspath(what))
    with contextlib.ExitStack() as closing:
        return _by_config(config, comm, closing, interrupted)


def _by_config(
    config: Config,
    comm: Intracomm | None,
    closing: contextlib.ExitStack,
    interrupted: Callable[[], bool],
) -> Inference | None:
    setups: list[InferSetup] = []

    def build(worker: int | None) -> MapJob:
        setup = infer_setup(config, worker)
        closing.callback(setup.close)
        setups.append(setup)
        if worker is None:
            dtype = np.dtype(config.run.dtype)
            check_stability(setup.rules, dtype, config.decoding.max_error)
            return dataclasses.replace(setup.job, lift=setup.lift())
        return setup.job

    if comm is None:
        refuse_world()
        master: Master | None = in_process(build(None), interrupted, costs(config))
    else:
        n_workers, silent_seconds = config.run.n_workers, config.faults.silent_seconds
        master = over_mpi(build, comm, n_workers, interrupted, silent_seconds)
    return None if master is None else _lead(setups[0], master)


def _lead(setup: InferSetup, master: Master) -> Inference:
    code, slots, shape, dataset = setup.code, setup.places.slots, setup.shape, setup.dataset
    assert dataset is not None
    n_blocks = code.n_blocks
    n = n_blocks if setup.per_block else dataset.n_samples
    values, error = np.zeros((n, *shape)), np.zeros(n)

    def take(number: int, found: Values) -> None:
        if setup.per_block:
            values[:] = found.values.reshape(n, *shape)
            error[:] = rms(found.error)
            return
        start = number * setup.step
        stop = min(start + setup.step, slots.n_slots)
        samples = setup.samples(start, stop).T  # (n_blocks, slots), as the values have them
        here = samples >= 0
        each, off = (
            given.reshape(n_blocks, -1, *shape)[:, : stop - start]
            for given in (found.values, found.error)
        )
        values[samples[here]], error[samples[here]] = each[here], rms(off)[here]

    result = collected(code, master, values, error, take)
    if slots.note is not None:
        result.notes.insert(0, slots.note)
    result.training = _training(setup)
    result.comparison = compare(setup, values)
    if setup.config.output.path is not None:
        result.path = Path(setup.config.output.path)
        _write(result, setup)
    return result


def _training(setup: InferSetup) -> float:
    """Return the training term of the encoder, from the plain rows where it is not 0."""
    code, dataset = setup.code, setup.dataset
    if not isinstance(code, ApproximateCode):
        return 0.0  # the polynomial passes through the blocks
    missed = code.encoded[:, : code.n_blocks] - np.eye(code.n_blocks)
    if not np.abs(missed).max() > 1e-12:
        return 0.0
    assert dataset is not None
    total, n_groups = 0.0, 0
    step = max(1, (1 << 22) // (code.n_blocks * dataset.n_features))
    n_slots = setup.places.slots.n_slots
    for start in range(0, n_slots, step):
        samples = setup.samples(start, min(start + step, n_slots))
        samples = samples[(samples >= 0).all(axis=1)]  # what fills the others is nobody's
        if not samples.size:
            continue
        first = int(samples.min())
        X = dataset.read(first, int(samples.max()) + 1, np.float64)[0]
        apart = np.einsum("jk,skd->sjd", missed, X[samples - first])
        total += float(np.sum(apart**2))
        n_groups += len(samples)
    return total / max(1, n_groups * code.n_blocks)


def _write(result: Inference, setup: InferSetup) -> None:
    arrays = {
        "values": result.values,
        "error": result.error,
        "total": result.total,
        **{
            f"rounds/{name}": getattr(result, name)
            for name in ("arrived", "corrupt", "lebesgue", "wait", "decode")
        },
    }
    attrs = {
        "config": setup.config.to_toml(),
        "generalization": result.generalization,
        "training": result.training,
        **result.comparison,
        "notes": "\n".join(result.notes),
    }
    assert result.path is not None
    write_inference(result.path, arrays, attrs)
