"""Descent along an estimate of the gradient: what becomes of that, whoever is slow or dead."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes, optimizers
from mpicode.codes import light
from mpicode.pool.delays import Delay
from mpicode.train.asynchronous.descents import Memory
from mpicode.train.asynchronous.light import generation_of

from .small import N_FEATURES, N_WORKERS, Quadratic, delays, order_of


class TestMemory:
    @pytest.mark.parametrize("kind", ["alike", "uneven", "at random"])
    @pytest.mark.parametrize("rows", ["queue", "fixed"])
    def test_of_a_gradient_that_stands_still_becomes_right_however_fast_who_is(
        self, descend, rows, kind
    ):
        loss, errors = Quadratic(0), []
        gradient = loss.gradient(np.zeros(N_FEATURES))[order_of(loss)].reshape(4, -1)

        def after(descent):
            errors.append(np.linalg.norm(descent._decoder.estimate() - gradient))

        descend(
            loss, 1e-300, delays(kind), {}, 900, "memory", rows=rows, after=after,
            max_staleness=10**6,
        )  # fmt: skip
        size = np.linalg.norm(gradient)
        assert (np.diff(errors) <= 1e-14 * size).all()
        # geometrically: each third of the run as good as the first, down to rounding
        first = errors[299] / size
        assert first < 1e-2
        assert errors[599] / size < max(10 * first**2, 1e-14)
        assert errors[899] / size < max(100 * first**3, 1e-14)

    def test_steps_of_sega_have_no_bias(self):
        """Over all rows of a tight code; of several blocks too."""
        rng = np.random.default_rng(0)
        for n_blocks in (1, 3):
            k, length = 4, 5
            n_pieces = k * n_blocks
            if n_blocks == 1:
                rows = np.concatenate([np.eye(k), np.linalg.qr(rng.standard_normal((k, k)))[0]])
                decoder = light.make("sega", rows=rows, length=length)
                jump = 1.0
            else:
                rows = np.eye(n_pieces)  # a message is of one block
                decoder = light.make("kaczmarz", rows=rows, length=length)
                jump = float(n_pieces)
            code = codes.GradientCode(
                rows, np.zeros(len(rows), dtype=int), n_workers=1, n_blocks=n_blocks, n_segments=k
            )
            pieces = rng.standard_normal((n_pieces, length))
            begun = rng.standard_normal((n_pieces, length))
            mean = np.zeros((k, length))
            for message in range(len(rows)):
                x = np.zeros((k, length))
                optimizer = optimizers.make(
                    "gradient-descent", {"step_size": 1.0}, n_parameters=x.size
                )
                descent = Memory(
                    x, x.size, generation_of(code).messages, optimizer, None, 1,
                    decoder=decoder, jump=jump,
                )  # fmt: skip
                memory = {**descent.state(), "estimate": begun}
                assert set(memory) == set(descent.state())
                descent.restore(memory)
                descent.take(message, rows[message] @ pieces, 0)
                mean -= x / len(rows)
            wanted = pieces.reshape(k, n_blocks, length).sum(axis=1)
            assert_allclose(mean, wanted, rtol=0, atol=1e-10)


class Dead(Delay):
    """Some workers never answer again; the others take a second."""

    name = "dead"

    def __init__(self, dead):
        self._dead = dead

    def seconds(self, worker, iteration, now, load):
        return 1e9 if worker in self._dead and now > 3.0 else 1.0


def test_the_dead_may_be_any_who_leave_the_rank(descend):
    """6 workers with 2 of 12 rows over 6 segments: every set of 3 dead that leaves rank 6.

    Of the same rows twice, sets with both copies of a segment do not, even far from the optimum:
    the last that is known of such a segment stays in the estimate.
    """
    loss, k = Quadratic(1, even=True), 6
    start = loss(np.zeros(N_FEATURES)) - loss.lowest
    reached = {"packed": [], "replicated": []}
    for variant, gaps in reached.items():
        given = {"n_segments": k, "n_messages": 2 * k, "variant": variant}
        code = codes.make("lwpd", n_workers=N_WORKERS, weight=2, **given)
        n_messages = 1500 if variant == "packed" else 400
        for dead in combinations(range(N_WORKERS), 3):
            left = code.rows[~np.isin(code.owner, dead)]
            full = np.linalg.svd(left, compute_uv=False)[-1] > 1e-9
            result, *_ = descend(
                loss, 0.05 / loss.beta, Dead(dead), given, n_messages, "memory", rows="fixed"
            )
            gaps.append((full, (loss(result.parameters) - loss.lowest) / start))
    assert sum(full for full, _ in reached["packed"]) >= 15
    assert sum(full for full, _ in reached["replicated"]) <= 2
    for full, gap in reached["packed"] + reached["replicated"]:
        assert gap < 0.02 if full else gap > 1.0, (full, gap)
