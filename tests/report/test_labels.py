from pathlib import Path

import pytest

from mpicode.report import differences, is_sweep, labels
from mpicode.results import RunWriter, read_run


@pytest.fixture
def runs(tmp_path):
    """Empty runs with these configurations."""

    def make(*configs):
        made = []
        for number, config in enumerate(configs):
            path = tmp_path / f"{number}.h5"
            RunWriter(path, {"config": config}, 2).close(None, True, "done")
            made.append(read_run(path))
        return made

    return make


def test_labels_are_short_and_unlike():
    paths = [Path("a/run.h5"), Path("b/run.h5"), Path("b/other.h5.part")]
    assert labels(paths) == ["a-run", "b-run", "other"]
    assert len(set(labels([Path("a/run.h5"), Path("a/run.h5")]))) == 2


def test_runs_are_told_apart_by_their_configurations(runs):
    made = runs(
        "code = { name = 'cyclic', n_stragglers = 2 }\nrun = { seed = 1, n_workers = 4 }\n",
        "code = { name = 'uncoded' }\nrun = { seed = 1, n_workers = 4 }\noutput.path = 'x'\n",
    )
    assert differences(made) == ["cyclic, n_stragglers 2", "uncoded"]


def test_of_a_sweep_only_what_it_changes_counts(runs):
    text = """
        code = {{ name = "{name}", n_stragglers = {s} }}
        element = {{ number = {k}, changes = {{ "code.name" = "{name}", "run.seed" = 3 }} }}
        run.seed = 3
    """
    made = runs(
        text.format(name="cyclic", s=1, k=0), text.format(name="fractional-repetition", s=2, k=1)
    )
    assert is_sweep(made)
    assert differences(made) == ["cyclic", "fractional-repetition"]
    assert not is_sweep([*made, *runs("run.seed = 1\n")])


def test_values_are_written_short_and_keys_of_one_name_in_full(runs):
    made = runs(
        "run = { seed = 1 }\nother = { seed = 1 }\n[data]\npath = '/far/away/a.h5'\n"
        "hidden = [1, 2.50]\nflag = true\n",
        "run = { seed = 2 }\nother = { seed = 2 }\n[data]\npath = '/far/away/b.h5'\n"
        "hidden = [3]\nflag = false\n",
    )
    assert differences(made) == [
        "run.seed 1, other.seed 1, path a.h5, hidden [1, 2.5], flag true",
        "run.seed 2, other.seed 2, path b.h5, hidden [3], flag false",
    ]


@pytest.mark.parametrize(
    "configs",
    [
        ("run.seed = 1\n", "run.seed = 1\n"),
        ("no [TOML", "run.seed = 1\n"),
        (f"x.y = '{'a' * 80}'\n", f"x.y = '{'b' * 80}'\n"),
    ],
    ids=["alike", "unreadable", "long"],
)
def test_where_nothing_short_tells_runs_apart_there_is_no_such_label(runs, configs):
    assert differences(runs(*configs)) == []
