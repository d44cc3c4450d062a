"""A function in somebody's own program, evaluated on arrays that are there by a data code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..codes import DataCode
from ..codes.data.approximate import ApproximateCode
from ..codes.data.degree import probe_degree
from ..codes.data.field import quantise
from ..codes.data.field_bounds import rounded
from ..codes.data.field_numbers import Form
from ..config import Decoding, Field
from ..errors import ConfigError
from ..kernels import modular_combine
from ..pool import Work
from ..pool.delays.none import NoDelay
from ..pool.virtual import Costs
from .common import Wiring
from .data_rules import DataRules, check_stability
from .infer_field import FieldFunction, Lift, lifted
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
    field: Field | None,
    interrupted: Callable[[], bool],
) -> Inference | None:
    """Return ``function`` of each of ``blocks``; see `infer`."""
    arrays, note = _alike(blocks, code)
    if code.n_masks:
        raise ConfigError(
            f"code.n_colluding: {code.n_masks}, but here all workers have the blocks in clear; "
            "hiding them takes files made by `mpicode data encode`, and a configuration"
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
    prime, over = getattr(code, "prime", None), None
    answer: np.dtype[Any] = dtype
    if prime is None and field is not None:
        raise ConfigError(f"infer: field goes with a code that has a prime, {code.name!r} has none")
    if prime is not None:
        given = Field() if field is None else field
        form = Form(prime, given.data_bits, given.parameter_bits)
        over = _OverField(FieldFunction(lambda x, block: called(block), form, name), arrays, shape)
        answer = np.dtype(np.int64)

    def work(worker: int) -> Work:
        if over is not None:
            return over.work(code, worker)
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
            wiring=Wiring(1, np.dtype(np.float64), int(np.prod(shape)), answer, 1),
            n_rounds=1,
            work=work,
            payload=np.zeros(1),
            delay=NoDelay(),
            target_error=target_error,
            lift=None if over is None or worker is not None else over.lift(),
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


class _OverField:
    """Blocks written as residues, and a function of them that gives ``shape``."""

    def __init__(
        self, function: FieldFunction, arrays: NDArray[np.float64], shape: tuple[int, ...]
    ) -> None:
        self._function = function
        self._arrays = arrays
        bits = function.data_bits
        off = np.abs(arrays - rounded(arrays, bits)).max(axis=0)
        self._bounds = function.bounds(np.zeros(1), np.abs(arrays).max(axis=0), off)
        if self._bounds.shape != shape:
            raise ConfigError(
                f"infer: {function.name!r} gives shape {self._bounds.shape} for residues, {shape} "
                "for floating numbers"
            )

    def work(self, code: DataCode, worker: int) -> Work:
        """Return what a worker computes."""
        prime = self._function.prime
        residues = quantise(self._arrays, self._function.data_bits, prime)
        coded = np.empty(residues[0].size, np.int64)
        row = np.ascontiguousarray(code.storage[worker])
        modular_combine(row, list(residues.reshape(len(residues), -1)), prime, coded)
        block = coded.reshape(residues.shape[1:])
        length = int(np.prod(self._bounds.shape))
        load = code.load(worker)
        return MapWork(self._function, lambda number: block, length, coded.dtype, load)

    def lift(self) -> Lift:
        """Return what makes residues numbers; `ConfigError` where the field is too small."""
        return lifted(self._bounds)


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
