"""Problems are built from names, also those of a user's own module."""

import numpy as np
import pytest

from mpicode import problems
from mpicode.errors import ConfigError

OWN = """
from mpicode.problems import LinearModel, Problem

class Absolute(LinearModel):
    name = "absolute"
    tasks = ("regression",)

    def __init__(self, *, slope: float = 1.0, n_features: int, task: str):
        super().__init__(n_features=n_features, task=task)
        self.slope = slope

    def _residual(self, z, y, weights):
        return 0.0

class Unfinished(Problem):
    def loss(self, x, rows, weights):
        return 0.0

something = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_problems.py").write_text(OWN)
    (tmp_path / "own_broken.py").write_text("import no_such_module_at_all")
    monkeypatch.syspath_prepend(tmp_path)


def make(name, **parameters):
    return problems.make(name, parameters, n_features=4, task="regression")


def test_the_names():
    assert problems.names() == [
        "least-squares",
        "logistic",
        "polynomial-logistic",
        "softmax",
        "mlp",
        "torch",
    ]
    with pytest.raises(
        ConfigError, match=r"problem.name: unknown problem 'least_squares'; did you"
    ):
        make("least_squares")


def test_unknown_and_mistyped_parameters():
    with pytest.raises(ConfigError, match=r"problem.L2: no such parameter of 'least-squares'"):
        make("least-squares", L2=1.0)
    with pytest.raises(ConfigError, match=r"problem.l2: wants a number, got 'much'"):
        make("least-squares", l2="much")


@pytest.mark.parametrize("key", problems.CONTEXT)
def test_what_the_data_say_cannot_be_set(key):
    with pytest.raises(ConfigError, match=rf"problem.{key}: no such parameter"):
        make("least-squares", **{key: 3})


@pytest.mark.usefixtures("own")
def test_a_class_of_the_user():
    problem = make("own_problems:Absolute", slope=2)
    assert type(problem).__name__ == "Absolute"
    assert problem.slope == 2.0
    assert problem.n_parameters == 5
    assert problem.dtype == np.float64
    with pytest.raises(
        ConfigError, match=r"problem.slop: no such parameter .*did you mean 'slope'"
    ):
        make("own_problems:Absolute", slop=2)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no_module_of_mine:Absolute", "cannot import 'no_module_of_mine'"),
        ("own_broken:Absolute", "cannot import 'own_broken': No module named 'no_such_module_at"),
        ("own_problems:Missing", "module 'own_problems' has no 'Missing'"),
        ("own_problems:something", "'own_problems:something' is no subclass of"),
        ("builtins:dict", "'builtins:dict' is no subclass of"),
        ("own_problems:Unfinished", "does not define name, tasks, evaluate, gradient"),
        ("own_problems:", "wants 'module:Class', got 'own_problems:'"),
        (":Absolute", "wants 'module:Class'"),
        ("..own:Absolute", "wants 'module:Class'"),
    ],
)
def test_a_name_that_leads_nowhere(name, text):
    with pytest.raises(ConfigError, match=rf"^problem.name: .*{text}"):
        make(name)
