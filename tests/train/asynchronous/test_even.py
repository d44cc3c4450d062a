"""Steps along messages that do not come equally often."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.train.asynchronous.descents import Direct
from mpicode.train.asynchronous.even import Even

from .small import N_FEATURES, N_WORKERS, Quadratic, Scripted, direct, order_of


def drift(even, speeds, n_draws):
    """Return the mean step, per step size, along a gradient that stands still; and that in turn.

    Worker i has message i of its own and answers ``speeds[i]`` times as often as others.
    """
    rng = np.random.default_rng(5)
    rows = codes.make("lwpd", n_workers=4, n_segments=4, n_messages=8, weight=2).rows
    gradient = rng.standard_normal((4, 3))
    x = np.zeros(12)
    descent = direct(rows, 3, 1.0, x, Even if even else Direct)
    shares = np.asarray(speeds) / np.sum(speeds)
    for message in rng.choice(8, size=n_draws, p=shares).tolist():
        descent.take(message, rows[message] @ gradient, 0)
    in_turn = rows.T @ rows @ gradient / 8
    return -x.reshape(4, 3) / n_draws, in_turn


class TestEven:
    def test_the_mean_step_is_that_of_messages_in_turn(self):
        """Over 100,000 draws; not so without, where the fast pull it their way."""
        speeds = [1, 1, 2, 3, 5, 8, 8, 8]
        found, wanted = drift(True, speeds, 100_000)
        size = np.linalg.norm(wanted)
        assert np.linalg.norm(found - wanted) < 0.01 * size
        found, _ = drift(False, speeds, 100_000)
        assert np.linalg.norm(found - wanted) > 0.2 * size

    def test_of_fixed_rows_and_workers_of_any_speed(self, descend):
        """Through the loop: 100 and more of the rarest message."""
        loss = Quadratic(0)
        rows = codes.make("lwpd", n_workers=N_WORKERS, n_segments=4, weight=2).rows
        gradient = loss.gradient(np.zeros(N_FEATURES))[order_of(loss)].reshape(4, -1)
        wanted = rows.T @ rows @ gradient / len(rows)
        away = {}
        for even in (True, False):
            delay, n_messages = Scripted(np.geomspace(1, 8, N_WORKERS)[:, np.newaxis]), 4000
            result, _, steps = descend(
                loss, 1e-9, delay, {}, n_messages, rows="fixed", even=even, max_staleness=10**6
            )
            moved = result.parameters[order_of(loss)].reshape(4, -1)
            mean = -moved / 1e-9 / len(steps)
            away[even] = np.linalg.norm(mean - wanted) / np.linalg.norm(wanted)
        assert away[True] < 0.01
        assert away[False] > 0.1

    def test_one_that_comes_back_gets_what_it_is_owed_little_by_little(self):
        rows = np.eye(2)
        x = np.zeros(2)
        descent, moved = direct(rows, 1, 1.0, x, Even), []
        for message in [0, 1] * 10 + [0] * 80 + [0, 1] * 80:
            before = x.copy()
            descent.take(message, np.ones(1), 0)
            moved.append((message, (before - x)[message]))
        steps = [step for message, step in moved[100:] if message == 1]
        assert max(steps) < 10  # not the 40 that were missed
        assert steps[-1] == pytest.approx(1.0)
        assert_allclose(-x, [130, 130], atol=1.0)
