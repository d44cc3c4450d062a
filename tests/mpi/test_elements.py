"""The runs of a sweep under MPI, each by an mpirun of its own or by the user's."""

import numpy as np

from mpicode.results import read_run

from .digits import descend

SWEEP = '\n[sweep.grid]\n"code.n_stragglers" = [0, 1]\n'


def write(config):
    path = config(code={"name": "fractional-repetition"}, run={"iterations": 5})
    path.write_text(path.read_text() + SWEEP)
    return path


def test_all_runs_are_done_each_by_its_own_mpirun(run, config, tmp_path):
    ended = run(write(config)).wait()
    assert ended.code == 0, ended.err
    for element in (0, 1):
        saved = read_run(tmp_path / f"run-{element}.h5")
        np.testing.assert_allclose(saved.parameters, descend(5), rtol=0, atol=1e-10)
    assert [len(np.unique(code["encoding"].toarray())) for code in saved.codes] == [2]


def test_one_run_joins_the_ranks_it_finds(run, config, tmp_path):
    ended = run(write(config), "--element", "1", ranks=5).wait()
    assert ended.code == 0, ended.err
    assert read_run(tmp_path / "run-1.h5").complete
    assert not (tmp_path / "run-0.h5").exists()


def test_ranks_that_were_started_do_one_run(run, config):
    ended = run(write(config), ranks=5).wait()
    assert ended.code == 2
    assert len(ended.errors) == 1
    assert ended.errors[0].endswith("describes 2 runs; choose one by --element 0 to 1")
