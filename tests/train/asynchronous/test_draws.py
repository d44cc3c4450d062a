"""Which rows the messages of one version are of."""

import numpy as np
import pytest

from mpicode.config import Config
from mpicode.pool import Kind
from mpicode.pool.worker import Request
from mpicode.train.setup import build


@pytest.fixture
def loss_of(tables):
    """Compute message 0 at version 7 on a worker; return the loss behind it."""

    def loss(mode, worker):
        changes = {"code": {"name": "lwpd", "n_segments": 13}, "run": {"batch_size": 40}}
        setup = build(Config.from_dict(tables(asynchronous={"mode": mode}, **changes)))
        try:
            work = setup.work(worker, setup.blocks())
            x = np.linspace(-1.0, 1.0, setup.problem.n_parameters)
            out = np.empty(work.answer_length)
            list(work.compute(Request(Kind.GRADIENT, 7, 0, x, 0.0), 0, out))
            return out[-1]
        finally:
            setup.close()

    return loss


@pytest.mark.parametrize("mode", ["direct", "memory", "sega"])
def test_workers_asked_at_one_version_take_different_rows(loss_of, mode):
    losses = [loss_of(mode, worker) for worker in range(4)]
    assert len(set(losses)) == 4
    assert losses == [loss_of(mode, worker) for worker in range(4)]


def test_messages_of_one_round_are_of_the_same_rows(loss_of):
    assert len({loss_of("round", worker) for worker in range(4)}) == 1
