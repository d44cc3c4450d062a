"""The training loop: gradients, steps, stop rules and records exist once, here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..config import Run
from ..errors import GaveUp, Stopped
from ..pool import WorkerPool
from ..pool.books import Log
from .checkpoints import NoCheckpoints, State
from .round import Interrupted, OutOfTime, Round


class Recorder(Protocol):
    """Whoever wants each iteration's numbers: the run file, a progress line.

    One that has a method ``event(iteration, seconds, worker, kind, detail)`` is also told what
    happened to the workers, before the iteration it happened in.
    """

    def iteration(self, columns: Mapping[str, float], workers: Mapping[str, Any]) -> None:
        """Take one iteration's number and columns, and arrays (n_workers,) by name."""


class Strategy(Protocol):
    """Whom to ask what, and when to step: what is different about ways to descend.

    It has the `State` whose parameters and optimizer it brings along.
    """

    def gather(self, iteration: int, until: float | None) -> Round:
        """Do one iteration up to its step, or with all steps that there are in it.

        Raises `OutOfTime` when it cannot end by ``until`` (run time, s), `Interrupted` when it was
        told to stop waiting, and `GaveUp` when it cannot go on.
        """

    def measure(self, done: Round) -> tuple[float, float]:
        """Return the L2 term and the norm of the gradient of an iteration in which answers came."""

    def answer(self) -> NDArray[np.float64]:
        """Return the parameters that the loss of the last iteration belongs to, to be kept."""

    def step(self, done: Round) -> None:
        """Make the step that was left to do."""

    def kept(self) -> None:
        """Take note that the state has just been written to a checkpoint."""

    def log(self, record: Log) -> Log:
        """Return what the pool is to call for messages it drops, so that ``record`` is right."""

    def go_through(self, iteration: int) -> None:
        """Let the time of one iteration pass, which was done before the run was interrupted."""

    def begin(self) -> None:
        """Forget how the time passed that `go_through` let pass."""


@dataclass
class Result:
    """What a run gave.

    parameters : (n_parameters,)
    outcome    : why it ended
    complete   : it ended by one of its own stop rules
    history    : columns of the run file by name, (n_iterations,) each
    error      : what ended it early, None if nothing did
    path       : the run file, None if none was written
    checkpoint : the last checkpoint, None if none was written
    silent     : workers that did not leave in time when the run was over
    shrinkage  : what sums that are not exact were divided by, where another rule than the deadline
                 found them enough
    uncoded_delay : seconds by which the injected delays alone would have held up a run that waits
                 for every worker
    """

    parameters: NDArray[np.float64]
    outcome: str = "running"
    complete: bool = False
    history: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    error: GaveUp | None = None
    path: Path | None = None
    checkpoint: Path | None = None
    silent: list[int] = field(default_factory=list)
    shrinkage: float = 1.0
    uncoded_delay: float = 0.0

    @property
    def loss(self) -> float:
        """The last training loss, which belongs to the parameters before the last step."""
        losses = self.history.get("loss", np.empty(0))
        known = losses[~np.isnan(losses)]
        return float(known[-1]) if known.size else float("nan")

    @property
    def n_iterations(self) -> int:
        """Iterations done."""
        return len(self.history.get("loss", ()))


class Diverged(GaveUp):
    """The loss or the parameters are not finite any more."""


Evaluate = Callable[[NDArray[np.float64]], tuple[float, float]]
"""Held-out loss and accuracy at the parameters (n_parameters,)."""


# Iterations in a row that may end without any answer.
MOST_EMPTY = 100


# That a run diverged is told once, by the loop, and not by numpy on the way.
@np.errstate(over="ignore", invalid="ignore")
def train(
    pool: WorkerPool,
    strategy: Strategy,
    state: State,
    run: Run,
    evaluate: Evaluate | None,
    recorders: list[Recorder],
    checkpoints: NoCheckpoints,
    true_loss: Callable[[NDArray[np.float64]], float] | None = None,
) -> Result:
    """Descend from ``state``, which is brought along, until a stop rule holds.

    With ``true_loss``, which takes the parameters, the loss that comes with the gradients is an
    estimate; stop rules look at the true one, where ``run.evaluate_every`` has it found out.

    An iteration by whose deadline nothing arrived takes no step; after ``MOST_EMPTY`` of them in a
    row the run gives up. A run that cannot go on (not decodable, diverged, interrupted) ends with
    the last good parameters and the reason in ``Result.error``; it does not raise. Unless it
    diverged, its last state is handed to ``checkpoints``.
    """
    x, optimizer, begun = state.x, state.optimizer, state.iteration
    history = {name: column.tolist() for name, column in state.history.items()}
    n_empty = _empty_at_the_end(history.get("n_arrived", []))
    good = np.array(optimizer.answer(x), dtype=np.float64)
    result = Result(good)
    try:
        for iteration in range(begun, run.iterations):
            state.iteration, state.seconds = iteration, pool.now()
            if checkpoints.offer(state):
                strategy.kept()
            if pool.interrupted():
                # answers may come so fast that no wait ever has to ask
                raise Interrupted
            began = pool.now()
            if run.max_seconds is not None and began >= run.max_seconds:
                raise OutOfTime
            sent, received = pool.bytes_sent, pool.bytes_received
            try:
                done = strategy.gather(iteration, run.max_seconds)
            finally:
                _tell_changes(pool, iteration, recorders)
            decoded = pool.now()
            loss, reason, stepped = done.loss, None, False
            estimated, apart = np.nan, 0.0
            due = iteration % run.evaluate_every == 0 or iteration == run.iterations - 1
            if done.n_arrived:
                n_empty = 0
                penalty, norm = strategy.measure(done)
                loss += penalty
                # an estimate may be missing, but not be infinite
                known = np.isfinite(loss) or (true_loss is not None and np.isnan(loss))
                if not (known and np.isfinite(norm)):
                    raise _diverged(iteration, f"loss {loss} and gradient norm {norm}")
                good[:] = strategy.answer()
                if true_loss is not None:
                    estimated, loss = loss, true_loss(x) + penalty if due else np.nan
                    apart = pool.now() - decoded
                reason = _reached(run, loss, norm)
                stepped = reason is None
            else:
                n_empty += 1
                _keep(good, strategy.answer(), iteration)
            state.torn = stepped
            if stepped:
                strategy.step(done)
            ended = pool.now()
            columns = {
                "loss": loss,
                "estimated_loss": estimated,
                "started": began,
                "seconds": ended - began - apart,
                "post": done.post,
                "wait": done.wait,
                "decode": done.decode,
                "update": ended - decoded - apart,
                "n_arrived": done.n_arrived,
                "n_stale": pool.n_stale,
                "n_withdrawn": pool.n_withdrawn,
                "n_lost": pool.members.n_lost,
                "residual": done.residual,
                "amplification": done.amplification,
                "lebesgue": done.lebesgue,
                "shrinkage": done.shrinkage,
                "stepped": int(stepped),
                "bytes_sent": pool.bytes_sent - sent,
                "bytes_received": pool.bytes_received - received,
                "test_loss": np.nan,
                "test_accuracy": np.nan,
            }
            if evaluate is not None and (due or reason is not None):
                columns["test_loss"], columns["test_accuracy"] = evaluate(good)
            for name, value in columns.items():
                history.setdefault(name, []).append(value)
            workers = {
                "compute_seconds": pool.compute_seconds,
                "delay_seconds": pool.delay_seconds,
                "latency_seconds": pool.latency_seconds,
                "arrived": done.arrived,
                "corrupt": done.corrupt,
            }
            columns["iteration"] = iteration
            checkpoints.iteration(columns)
            if reason is None:
                state.iteration, state.seconds, state.torn = iteration + 1, pool.now(), False
            for recorder in recorders:
                recorder.iteration(columns, workers)
            if reason is not None:
                result.outcome = reason
                break
            if n_empty >= MOST_EMPTY:
                raise GaveUp(
                    f"nothing arrived by the deadline of {n_empty} iterations in a row, the last "
                    f"of them iteration {iteration}; decoding.deadline is too short"
                )
        else:
            _keep(good, optimizer.answer(x), run.iterations)
            result.outcome = f"{state.iteration} iterations done"
        result.complete = True
    except OutOfTime:
        _keep(good, optimizer.answer(x), len(history.get("loss", ())))
        result.outcome = f"max_seconds {run.max_seconds:g} used up"
        result.complete = True
    except Interrupted:
        with contextlib.suppress(GaveUp):
            _keep(good, optimizer.answer(x), len(history.get("loss", ())))
        result.error = Stopped("interrupted by a signal; the state so far is saved")
        result.outcome = "interrupted"
    except GaveUp as error:
        result.error = error
        result.outcome = str(error)
    except Exception as error:
        checkpoints.end(state, type(error).__name__, False)
        raise
    if not isinstance(result.error, Diverged):
        checkpoints.end(state, result.outcome, result.complete)
    result.history = {name: np.array(values) for name, values in history.items()}
    return result


def _tell_changes(pool: WorkerPool, iteration: int, recorders: list[Recorder]) -> None:
    for change in pool.members.take_changes():
        for recorder in recorders:
            tell = getattr(recorder, "event", None)
            if tell is not None:
                tell(iteration, change.seconds, change.worker, change.kind, change.detail)


def _keep(good: NDArray[np.float64], answer: NDArray[Any], iteration: int) -> None:
    """Make ``answer`` the result, unless the step that led to it diverged."""
    if not np.isfinite(answer).all():
        raise _diverged(iteration, "parameters that are not finite")
    good[:] = answer


def _empty_at_the_end(n_arrived: list[float]) -> int:
    """Return in how many iterations in a row, up to the last, nothing arrived."""
    return next((i for i, n in enumerate(reversed(n_arrived)) if n), len(n_arrived))


def _diverged(iteration: int, what: str) -> Diverged:
    if iteration:
        advice = "the parameters of the last finite loss are kept (a smaller optimizer.step_size?)"
    else:
        advice = "nothing was learned yet (`mpicode data check` finds numbers that are not finite)"
    return Diverged(f"diverged: iteration {iteration} has {what}; {advice}")


def _reached(run: Run, loss: float, norm: float) -> str | None:
    if run.target_loss is not None and loss <= run.target_loss:
        return f"target loss {run.target_loss:g} reached"
    if run.target_gradient_norm is not None and norm <= run.target_gradient_norm:
        return f"target gradient norm {run.target_gradient_norm:g} reached"
    return None
