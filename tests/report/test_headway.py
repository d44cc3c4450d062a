import numpy as np
import pytest

from mpicode.report import headway
from mpicode.results import RunWriter, read_run


@pytest.fixture
def come(tmp_path):
    """How far a run with this configuration has come, whose iterations take so many seconds."""

    def make(config, seconds, between=0.0, losses=None):
        started = 0.0
        with RunWriter(tmp_path / "run.h5", {"config": config}, 2) as writer:
            for t, each in enumerate(seconds):
                loss = t if losses is None else losses[t]
                writer.iteration({"loss": loss, "started": started, "seconds": each}, {})
                started += each + between
            writer.close(None, True, "done")
        return headway(read_run(tmp_path / "run.h5"))

    return make


def test_what_is_left_takes_as_long_as_the_last_iterations(come):
    made = come("run.iterations = 500\n", [100.0] * 100 + [1.0, 3.0] * 50)
    assert (made.iteration, made.iterations, made.loss) == (200, 500, 199.0)
    assert made.seconds_per_iteration == pytest.approx(2.0)
    assert made.seconds_left == pytest.approx(600.0)


def test_time_between_iterations_counts(come):
    made = come("run.iterations = 1000\n", [1.0] * 300, between=0.5)
    assert made.seconds_per_iteration == pytest.approx(1.5)


def test_the_run_may_have_less_time(come):
    made = come("run = { iterations = 1000, max_seconds = 25 }\n", [1.0] * 10)
    assert made.seconds_left == pytest.approx(15.0)
    assert come("run = { iterations = 1000, max_seconds = 5 }\n", [1.0] * 10).seconds_left == 0.0


def test_a_run_that_has_all_its_iterations_has_nothing_left(come):
    assert come("run.iterations = 3\n", [1.0] * 3).seconds_left == 0.0


@pytest.mark.parametrize("config", ["", "no [TOML", "run = 3\n", "run.iterations = 'many'\n"])
def test_a_run_that_does_not_tell_has_no_end(come, config):
    made = come(config, [1.0] * 3)
    assert (made.iteration, made.iterations, made.seconds_left) == (3, None, None)


def test_a_run_that_has_just_begun(come):
    made = come("run.iterations = 3\n", [])
    assert (made.iteration, made.loss, made.seconds_per_iteration) == (0, None, None)
    assert made.seconds_left is None


def test_the_loss_is_the_last_one_known(come):
    assert come("run.iterations = 5\n", [1.0] * 3, losses=[2.0, 1.0, np.nan]).loss == 1.0
