from pathlib import Path

import pytest

from mpicode.config import Config
from mpicode.errors import ConfigError
from mpicode.sweep import Sweep, numbered

BASE = """
[data]
path = "data.h5"
[problem]
name = "softmax"
[optimizer]
name = "gradient-descent"
step_size = 0.5
[code]
name = "cyclic"
n_stragglers = 1
[output]
path = "runs/job.h5"
[checkpoint]
path = "state"
"""


@pytest.fixture
def sweep(tmp_path):
    """The sweep of a configuration file with this table ``[sweep]``."""

    def make(table, overrides=()):
        path = tmp_path / "job.toml"
        path.write_text(BASE + table)
        return Sweep.load(path, overrides)

    return make


def changes(sweep):
    return [tuple((change.key, change.value) for change in each) for each in sweep.changes]


def test_a_grid_is_the_product_and_its_last_key_is_the_fastest(sweep):
    made = sweep('[sweep.grid]\n"code.name" = ["cyclic", "uncoded"]\n"run.seed" = [5, 6, 7]\n')
    assert len(made) == 6
    assert changes(made) == [
        (("code.name", code), ("run.seed", seed))
        for code in ("cyclic", "uncoded")
        for seed in (5, 6, 7)
    ]
    configs = [made.config(k) for k in range(6)]
    assert [config.run.seed for config in configs] == [5, 6, 7] * 2
    # another code leaves the parameters of the one in the file behind
    assert [config.code.parameters for config in configs] == [{"n_stragglers": 1}] * 3 + [{}] * 3


def test_keys_can_be_written_with_or_without_quotation_marks(sweep):
    quoted = sweep('[sweep.grid]\n"run.seed" = [1, 2]\n"code.n_stragglers" = [1]\n')
    bare = sweep("[sweep.grid]\nrun.seed = [1, 2]\ncode.n_stragglers = [1]\n")
    assert changes(bare) == changes(quoted)


def test_a_list_has_the_changes_of_each_run(sweep):
    made = sweep(
        """
        [[sweep.list]]
        code = { name = "fractional-repetition", n_stragglers = 3 }
        "run.n_workers" = 12
        [[sweep.list]]
        """
    )
    assert changes(made)[1] == ()
    first, second = made.config(0), made.config(1)
    assert (first.code.name, first.code.parameters) == (
        "fractional-repetition",
        {"n_stragglers": 3},
    )
    assert (first.run.n_workers, second.run.n_workers) == (12, 8)
    assert second.code.name == "cyclic"


def test_a_value_may_be_a_list_itself(sweep):
    made = sweep('[sweep.grid]\n"problem.name" = ["mlp"]\n"problem.hidden" = [[8], [8, 4]]\n')
    assert [made.config(k).problem.parameters["hidden"] for k in (0, 1)] == [[8], [8, 4]]


def test_each_element_has_files_of_its_own_and_says_which_it_is(sweep, tmp_path):
    made = sweep('[sweep.grid]\n"run.seed" = [3, 4]\n')
    config = made.config(1)
    assert config.output.path == str(tmp_path / "runs" / "job-1.h5")
    assert config.checkpoint.path == str(tmp_path / "state-1")
    again = Config.loads(config.to_toml())
    assert again == config
    assert (again.element.number, again.element.changes) == (1, {"run.seed": 4})
    # files that the sweep names itself are left as they are
    made = sweep('[[sweep.list]]\n"output.path" = "mine.h5"\n')
    assert made.config(0).output.path == str(tmp_path / "mine.h5")
    assert made.config(0).checkpoint.path == str(tmp_path / "state-0")


def test_a_dot_in_a_name_is_no_suffix_to_be_lost():
    assert numbered("a/b.c.h5", 10).name == "b.c-10.h5"
    assert numbered("a/folder", 0).name == "folder-0"


def test_a_file_without_a_sweep_describes_one_run(sweep):
    made = sweep("")
    assert (len(made), made.is_one_run) == (1, True)
    assert made.config().element.number is None
    assert "element" not in made.config().to_dict()
    with pytest.raises(ConfigError, match=r"^--element 0: there is no \[sweep\] in .*job.toml$"):
        made.config(0)


def test_the_configuration_of_an_element_is_a_run_by_itself(sweep, tmp_path):
    config = sweep('[sweep.grid]\n"run.seed" = [3, 4]\n').config(1)
    (tmp_path / "again.toml").write_text(config.to_toml())
    again = Sweep.load(tmp_path / "again.toml").config()
    assert (again.run.seed, again.element.number) == (4, None)


def test_an_element_has_to_be_there_and_to_be_chosen(sweep):
    made = sweep('[sweep.grid]\n"run.seed" = [3, 4]\n')
    for number in (-1, 2):
        with pytest.raises(ConfigError, match=rf"^--element {number}: .* elements 0 to 1$"):
            made.config(number)
    with pytest.raises(ConfigError, match=r"describes 2 runs; choose one by --element 0 to 1$"):
        made.config()


def test_overrides_come_before_the_sweep_and_cannot_take_its_place(sweep):
    grid = '[sweep.grid]\n"run.seed" = [3, 4]\n'
    assert sweep(grid, ["run.n_workers=5"]).config(1).run.n_workers == 5
    with pytest.raises(ConfigError, match=r"^run.seed: cannot be set, \[sweep\] of .* changes it$"):
        sweep(grid, ["run.seed=1"])


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("[sweep]\n", "sweep: wants either grid or list, neither is given"),
        ("[sweep]\ngrid = {}\nlist = []\n", "sweep: wants either grid or list, both are given"),
        ("[sweep]\ngri = {}\n", "sweep.gri: no such key; did you mean 'grid'?"),
        ("[sweep]\ngrid = {}\n", "sweep: describes no run at all"),
        ("[sweep]\nlist = []\n", "sweep: describes no run at all"),
        ("[sweep]\ngrid = 3\n", "sweep.grid: wants a table, got 3"),
        ("[sweep]\nlist = {}\n", "sweep.list: wants a list of tables, got {}"),
        ("[sweep]\nlist = [3]\n", "sweep.list[0]: wants a table, got 3"),
        ("[[sweep]]\n", "sweep: wants a table, got [{}]"),
        (
            "[sweep.grid]\nrun.seed = 3\n",
            "sweep.grid: run.seed wants a list of values to try, got 3",
        ),
        (
            "[sweep.grid]\nrun.seed = []\n",
            "sweep.grid: run.seed wants a list of values to try, got []",
        ),
        (
            "[sweep.grid]\nseed = [1]\n",
            "sweep.grid: seed wants to be written table.key, as code.name",
        ),
        (
            "[sweep.grid]\nrun.sede = [1]\n",
            "sweep.grid: run.sede: no such key; did you mean 'seed'?",
        ),
        (
            "[sweep.grid]\nrum.seed = [1]\n",
            "sweep.grid: rum.seed: no such table; did you mean 'run'?",
        ),
        (
            '[sweep.grid]\n"run.seed" = [1]\nrun.seed = [2]\n',
            "sweep.grid: run.seed is there twice",
        ),
        (
            "[[sweep.list]]\n[[sweep.list]]\nrun.sede = 1\n",
            "sweep.list[1]: run.sede: no such key; did you mean 'seed'?",
        ),
        (
            f"[sweep.grid]\nrun.seed = {list(range(101))}\nrun.iterations = {list(range(100))}\n",
            "sweep.grid: 10100 combinations, at most 10000",
        ),
    ],
)
def test_what_is_no_sweep_is_told_by_its_key(sweep, table, told):
    with pytest.raises(ConfigError) as caught:
        sweep(table)
    assert str(caught.value) == told


def test_an_element_that_is_no_configuration_is_named(sweep):
    made = sweep('[sweep.grid]\n"run.n_workers" = [4, 0]\n')
    made.config(0)
    with pytest.raises(ConfigError) as caught:
        made.config(1)
    assert str(caught.value) == (
        "sweep: element 1 (run.n_workers = 0): run.n_workers: must be at least 1, got 0"
    )


def test_a_single_configuration_is_not_read_from_a_sweep(sweep, tmp_path):
    sweep('[sweep.grid]\n"run.seed" = [3, 4]\n')
    with pytest.raises(ConfigError, match=r"^sweep: several runs"):
        Config.load(tmp_path / "job.toml")


JOBS = sorted((Path(__file__).parents[1] / "jobs").glob("*.toml"))


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_the_jobs_we_ship_are_read(path):
    made = Sweep.load(path)
    configs = [made.config()] if made.is_one_run else [made.config(k) for k in range(len(made))]
    assert all(Path(config.data.path).is_absolute() for config in configs)


def test_there_are_jobs_to_read():
    assert {"quickstart.toml", "sweep.toml"} <= {path.name for path in JOBS}
