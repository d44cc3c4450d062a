"""The parameters as segments, and what master and workers both need to step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...codes import light
from ...codes.light import Kaczmarz
from ...errors import ConfigError
from ...optimizers import Optimizer
from ...optimizers.gradient_descent import GradientDescent
from ...problems import Problem
from .descents import Descent, Direct, Matrix, Memory
from .even import Even
from .light import Generation, generation_of
from .repacking import check_repacking

if TYPE_CHECKING:
    from ..segments import Segments
    from ..setup import Setup


# As many numbers as are put in their places in the time that one copy takes to be called.
_SHORT_RUN = 300


class Order:
    """Parameters in their own order, (n_parameters,), and in that of the segments they are cut in.

    Numbers of segments, (n_segments, length), end with padding, which is 0.
    """

    def __init__(self, segments: Segments) -> None:
        self.n_parameters = segments.n_parameters
        self.layout = segments.layout
        self._shape = segments.n_segments, segments.length
        self._runs = [] if self.layout is None else _runs(self.layout)

    def cut(self, own: NDArray[Any]) -> Matrix:
        """Return them as segments."""
        cut = np.zeros(self._shape)
        self.flat(cut)[:] = own if self.layout is None else own[self.layout]
        return cut

    def flat(self, cut: Matrix) -> Matrix:
        """Return a view of the parameters in segments, (n_parameters,)."""
        return cut.reshape(-1)[: self.n_parameters]

    def join(self, flat: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
        """Write parameters in the order of the segments into ``out`` in their own."""
        if self.layout is None:
            out[:] = flat
        elif self._runs:
            for theirs, own in self._runs:
                out[own] = flat[theirs]
        else:
            out[self.layout] = flat
        return out


def _runs(layout: NDArray[np.integer[Any]]) -> list[tuple[slice, slice]]:
    """Return where numbers stay side by side: their places in this order, and in their own.

    None where these runs are so short that all numbers are put in their places sooner.
    """
    starts = np.flatnonzero(np.diff(layout, prepend=-2) != 1)
    if starts.size * _SHORT_RUN >= layout.size:
        return []
    stops = np.append(starts[1:], layout.size)
    begins = layout[starts]
    return [
        (slice(start, stop), slice(begin, begin + stop - start))
        for start, stop, begin in zip(starts.tolist(), stops.tolist(), begins.tolist(), strict=True)
    ]


def descent_for(
    setup: Setup, x: Matrix, optimizer: Optimizer, generations: Sequence[Generation] = ()
) -> Descent:
    """Return what messages do to the parameters ``x`` in the configured mode, other than rounds.

    generations : codes whose messages come, numbered on from one to the next; by default the run's

    Raises `ConfigError` for a code, problem or optimizer that the mode cannot use.
    """
    table = setup.config.asynchronous
    generations = generations or [generation_of(setup.code)]
    code = setup.code
    rows = np.concatenate([each.code.encoding.toarray() for each in generations])
    length = setup.segments.length
    arguments = (
        x,
        setup.problem.n_parameters,
        [message for each in generations for message in each.messages],
        optimizer,
        decay_for(setup),
        table.messages_per_step,
    )
    if table.mode == "direct":
        if table.even:
            return Even(*arguments)
        listens = Kaczmarz(rows=rows, length=length) if table.repack_every else None
        return Direct(*arguments, decoder=listens)
    given = table.decoder or "kaczmarz"
    parameters = dict(given) if isinstance(given, dict) else {"name": given}
    jump, name = 1.0, parameters.pop("name", "kaczmarz")
    if table.mode == "sega":
        name = "sega"
        if code.n_blocks > 1:
            # of several blocks: without bias over all their pieces
            name, jump = "kaczmarz", float(code.n_blocks * code.n_segments)
    decoder = light.make(name, parameters, rows=rows, length=length)
    if not decoder.accepts_stale:
        raise ConfigError(
            f"asynchronous.decoder: {name!r} is for messages of one version; mode {table.mode!r} "
            "has them of all ages"
        )
    return Memory(*arguments, decoder=decoder, jump=jump)


def decay_for(setup: Setup) -> Matrix | None:
    """Return the factors of the L2 term as segments, None where there is no such term."""
    problem = setup.problem
    # of the instance: a problem that is paced hands on another's
    if getattr(problem.regularise, "__func__", None) is not Problem.regularise:
        raise ConfigError(
            f"asynchronous.mode: problem {problem.name!r} has a regulariser of its own, which "
            "cannot be taken apart; wants problem.l2"
        )
    if problem.l2 == 0.0:
        return None
    own = np.zeros(problem.n_parameters)
    own[problem.penalised] = problem.l2
    return Order(setup.segments).cut(own)


def check(setup: Setup) -> None:
    """Raise `ConfigError` for what an asynchronous run cannot be made of."""
    config, code, segments = setup.config, setup.code, setup.segments
    table, run = config.asynchronous, config.run
    if table.mode is None:
        return
    if table.rows == "queue" and table.n_codewords > code.n_messages:
        raise ConfigError(
            f"asynchronous.n_codewords: {table.n_codewords} messages at a time, but code "
            f"{code.name!r} has {code.n_messages}"
        )
    if table.mode == "round":
        _check_round(setup)
        return
    used = {
        key for key in ("n_answers", "max_residual", "deadline") if getattr(config.decoding, key)
    }
    if used:
        raise ConfigError(
            f"decoding.{min(used)}: belongs to rounds, not to asynchronous.mode {table.mode!r}"
        )
    if table.messages_per_step > run.n_workers * table.n_codewords and table.ask == "after-step":
        raise ConfigError(
            f"asynchronous.messages_per_step: {table.messages_per_step} messages, but "
            f"{run.n_workers} workers give {run.n_workers * table.n_codewords} before a step"
        )
    optimizer = setup.optimizer()
    check_repacking(setup)
    if table.downlink == "updates":
        if not isinstance(optimizer, GradientDescent) or table.messages_per_step > 1:
            raise ConfigError(
                "asynchronous.downlink: 'updates' are replayed by workers for optimizer "
                "'gradient-descent' and 1 message per step alone"
            )
        if table.even:
            raise ConfigError(
                "asynchronous.downlink: 'updates' cannot be replayed with asynchronous.even, whose "
                "steps depend on all messages before"
            )
        if code.n_messages > 1 << 24:
            raise ConfigError(f"asynchronous.downlink: {code.n_messages} messages are too many")
    # refuses what cannot be stepped along
    descent_for(setup, np.zeros((code.n_segments, segments.length)), optimizer)


def _check_round(setup: Setup) -> None:
    code, config = setup.code, setup.config
    if config.asynchronous.decoder is not None:
        rank = np.linalg.matrix_rank(code.encoding.toarray())
        wanted = code.n_segments * code.n_blocks
        if rank < wanted:
            raise ConfigError(
                f"asynchronous.decoder: solves for all {wanted} pieces, but the {code.n_messages} "
                f"messages of {code.name!r} determine {rank}"
            )
