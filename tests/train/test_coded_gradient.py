"""One coded gradient, and the loop around it, over workers that answer zeros."""

import numpy as np
import pytest

from mpicode import codes, optimizers, problems
from mpicode.codes.base import CountingDecoder
from mpicode.config import Run
from mpicode.errors import NotDecodable
from mpicode.outcomes import Outcome
from mpicode.pool import Request, WorkerPool, largest_answer
from mpicode.pool.delays import make as make_delay
from mpicode.pool.virtual import Costs, VirtualMaster
from mpicode.train.checkpoints import NoCheckpoints, State
from mpicode.train.coded_gradient import CodedGradient
from mpicode.train.loop import train
from mpicode.train.segments import Segments
from mpicode.train.synchronous import Synchronous


class Zero:
    """Work that answers zeros after one row."""

    answer_length = 4
    dtype = np.dtype(np.float64)
    load = 1.0

    def compute(self, request: Request, message, out):
        out[:] = 0
        yield 1.0


class Insatiable(codes.GradientCode):
    """Wants one message more than there are, and nobody holds its last block."""

    name = "insatiable"

    def __init__(self):
        super().__init__(np.diag([1.0, 1.0, 0.0]), np.arange(3), n_workers=3, n_blocks=3)

    def decoder(self, kind="gradient"):
        return CountingDecoder(self, 4)


def coded(code):
    """A pool of three workers, and the coded gradient over it."""
    dtype = np.dtype(np.float64)
    delay = make_delay("none", n_workers=3, seed=0)
    transport = VirtualMaster(
        lambda worker: Zero(), 3, 4, dtype, largest_answer(4, dtype), delay, Costs()
    )
    pool = WorkerPool(transport, payload_length=3, dtype=dtype)
    pool.start()
    return pool, CodedGradient(pool, code, Segments(code, 3))


def test_what_cannot_be_decoded_says_what_arrived():
    pool, gradient = coded(Insatiable())
    text = "^iteration 5: 3 of 3 messages arrived, which 'insatiable' cannot decode$"
    with pytest.raises(NotDecodable, match=text):
        gradient(np.zeros(3), 5)
    # the round was closed: the next one begins from nothing
    with pytest.raises(NotDecodable, match="iteration 6: 3 of 3"):
        gradient(np.zeros(3), 6)
    assert pool.close() == []


def test_a_run_that_cannot_decode_gives_up():
    pool, gradient = coded(Insatiable())
    problem = problems.make("least-squares", {}, n_features=2, task="regression")
    optimizer = optimizers.make("gradient-descent", {"step_size": 1.0}, n_parameters=3)
    state = State(np.ones(3), optimizer)
    result = train(
        pool, Synchronous(gradient, problem, state), state, Run(), None, [], NoCheckpoints()
    )
    assert isinstance(result.error, NotDecodable)
    assert not result.complete
    assert result.outcome.startswith("iteration 0: 3 of 3 messages arrived")
    np.testing.assert_array_equal(result.parameters, np.ones(3))


def test_one_round_of_a_coded_gradient():
    pool, gradient = coded(codes.make("fractional-repetition", n_workers=3, n_stragglers=2))
    log = []
    pool.log = lambda *row: log.append(row)
    done = gradient(np.zeros(3), 0)
    assert done.n_arrived == 1
    assert done.arrived.tolist() == [True, False, False]
    assert (done.residual, done.amplification) == (0.0, 1.0)
    assert done.wait == pool.now() == pytest.approx(2 * 50e-6 + 1e-6)
    assert [row[3] for row in log] == [0]
    done = gradient(np.zeros(3), 1)
    assert {row[6] for row in log} <= set(Outcome)
    assert done.arrived.sum() >= 1
    assert pool.close() == []


def test_an_interrupt_where_no_wait_has_to_ask():
    """As when every answer has landed by the time the master looks."""
    pool, gradient = coded(codes.make("uncoded", n_workers=3))
    seen = []

    class Watch:
        def iteration(self, columns, workers):
            seen.append(columns)

    pool.interrupted = lambda: len(seen) >= 3
    problem = problems.make("least-squares", {}, n_features=2, task="regression")
    optimizer = optimizers.make("gradient-descent", {"step_size": 1.0}, n_parameters=3)
    state = State(np.ones(3), optimizer)
    result = train(
        pool, Synchronous(gradient, problem, state), state, Run(), None, [Watch()], NoCheckpoints()
    )
    assert (result.outcome, result.n_iterations) == ("interrupted", 3)
