"""A function in somebody's own program, evaluated on arrays that are there by a data code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..codes import DataCode
from ..codes.data.approximate import ApproximateCode
from ..codes.data.degree import probe_degree
from ..config import Decoding
from ..errors import ConfigError
from ..pool import Work
from ..pool.delays.none import NoDelay
from ..pool.virtual import Costs
from .common import Wiring
from .data_rules import DataRules, check_stability
from .inference import Inference, collected, rms
from .map_job import MapJob, Master, Values, in_process, over_mpi
from .map_work import MapWork, tried
from .own_function import of_arrays
from .world import refuse_world

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

Array = NDArray[Any]


def infer_blocks(
    function: Callable[[Array], ArrayLike],
    blocks: Sequence[ArrayLike],
    code: DataCode,
    comm: Intracomm | None,
    deadline: float | None,
    target_error: float | None,
    interrupted: Callable[[], bool],
) -> Inference | None:
    """Return ``function`` of each of ``blocks``; see `infer`."""
    arrays, note = _alike(blocks, code)
    if code.n_masks:
        raise ConfigError(
            f"code.n_colluding: {code.n_masks}, but here all workers have the blocks in clear; "
            "hiding them takes files made by `mpicode data encode`, and a configuration"
        )
    if getattr(code, "prime", None) is not None:
        raise ConfigError(
            "code.prime: arrays are computed on in floating numbers; over a field the rows of a "
            "dataset are, by a configuration"
        )
    is_complex = code.storage.dtype.kind == "c"
    dtype = np.dtype(np.complex128 if is_complex else np.float64)
    name = getattr(function, "__name__", type(function).__name__)
    called = of_arrays(function, "infer")
    rules = DataRules(code, Decoding(deadline=deadline), kind="map")
    check_stability(rules, np.dtype(np.float64), None)

    def evaluate(x: Array, block: Array) -> Array:
        return np.asarray(called(block), dtype=dtype)

    first, again = (tried(evaluate, np.zeros(1), arrays[0].astype(dtype), name) for _ in range(2))
    if not np.array_equal(first, again, equal_nan=True):
        raise ConfigError(
            f"infer: {name!r} gives other numbers a second time; all workers must compute the same "
            "function"
        )
    shape = first.shape

    def work(worker: int) -> Work:
        coded = np.tensordot(code.storage[worker], arrays, axes=1)
        length = int(np.prod(shape))
        return MapWork(evaluate, lambda number: coded, length, dtype, code.load(worker))

    def job(worker: int | None) -> MapJob:
        if worker is None and getattr(code, "degree", None) is not None:
            rng = np.random.default_rng(0)
            own = arrays.shape[1:]
            probe_degree(lambda b: evaluate(b, b), (own,), code.degree, rng, dtype=dtype)  # type: ignore[attr-defined]
        return MapJob(
            code=code,
            rules=rules,
            wiring=Wiring(1, np.dtype(np.float64), int(np.prod(shape)), dtype, 1),
            n_rounds=1,
            work=work,
            payload=np.zeros(1),
            delay=NoDelay(),
            target_error=target_error,
        )

    if comm is None:
        refuse_world()
        master: Master | None = in_process(job(None), interrupted, Costs())
    else:
        master = over_mpi(job, comm, code.n_workers, interrupted)
    if master is None:
        return None
    values, error = np.zeros((code.n_blocks, *shape)), np.zeros(code.n_blocks)

    def take(number: int, found: Values) -> None:
        values[:] = found.values.reshape(values.shape)
        error[:] = rms(found.error)

    result = collected(code, master, values, error, take)
    if note:
        result.notes.insert(0, note)
    if isinstance(code, ApproximateCode):
        missed = code.encoded[:, : code.n_blocks] - np.eye(code.n_blocks)
        apart = np.tensordot(missed, arrays, axes=1)
        result.training = float(np.sum(apart**2)) / code.n_blocks
    return result


def _alike(blocks: Sequence[ArrayLike], code: DataCode) -> tuple[NDArray[np.float64], str]:
    """Return blocks of one shape, filled up with zeros, (n_blocks, ...), and what was done to them.

    Raises `ConfigError` where there is another number of them, or of dimensions.
    """
    arrays = [np.asarray(block) for block in blocks]
    if len(arrays) != code.n_blocks:
        raise ConfigError(f"infer: {len(arrays)} blocks, but {code.name!r} has {code.n_blocks}")
    for number, array in enumerate(arrays):
        if array.dtype.kind not in "biuf":
            raise ConfigError(f"infer: block {number} is {array.dtype}, wants real numbers")
        if array.ndim != arrays[0].ndim:
            raise ConfigError(
                f"infer: block {number} has {array.ndim} dimensions, block 0 has {arrays[0].ndim}"
            )
    shape = tuple(int(n) for n in np.max([array.shape for array in arrays], axis=0))
    whole = np.zeros((len(arrays), *shape))
    padded = []
    for number, array in enumerate(arrays):
        whole[number][tuple(slice(n) for n in array.shape)] = array
        if array.shape != shape:
            padded.append(number)
    note = f"blocks {padded} are filled up with zeros to {shape}" if padded else ""
    return whole, note
