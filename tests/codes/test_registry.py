import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mpicode import codes
from mpicode.errors import ConfigError

from .data_suite import DataCodeSuite
from .suite import CodeSuite


def test_every_scheme_has_a_suite():
    for path in sorted(Path(__file__).parent.glob("*/test_*.py")):
        importlib.import_module(f".{path.parent.name}.{path.stem}", __package__)
    suites = CodeSuite.__subclasses__() + DataCodeSuite.__subclasses__()
    tested = [suite.code for suite in suites]
    assert set(tested) == set(codes.CODES.values())


def test_the_main_schemes_are_there():
    known = ["uncoded", "ignore-stragglers", "fractional-repetition", "cyclic"]
    assert set(known) <= set(codes.names())


@pytest.mark.parametrize("name", codes.names())
def test_every_scheme_says_in_one_line_what_it_is(name):
    first = codes.CODES[name].__doc__.splitlines()[0]
    assert first.endswith(".")


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("cyclc", {}, "did you mean 'cyclic'"),
        ("cyclic", {"n_straglers": 2}, r"code\.n_straglers.*did you mean 'n_stragglers'"),
        ("cyclic", {"n_stragglers": "2"}, r"code\.n_stragglers: wants an integer, got '2'"),
        ("cyclic", {"n_stragglers": 2.0}, r"code\.n_stragglers: wants an integer"),
        ("cyclic", {"n_stragglers": 8}, r"code\.n_stragglers: 8 of 8 workers.* 0 to 7"),
        ("cyclic", {"n_stragglers": -1}, r"code\.n_stragglers: -1 of 8 workers.* 0 to 7"),
        ("ignore-stragglers", {"n_stragglers": 9}, r"code\.n_stragglers: 9 of 8 workers"),
        ("fractional-repetition", {"n_stragglers": 8}, r"code\.n_stragglers: 8 of 8 workers"),
        ("uncoded", {"n_workers": 0}, r"run\.n_workers: wants at least 1 worker, got 0"),
        ("uncoded", {"n_workers": -1}, r"run\.n_workers: must not be negative, got -1"),
        ("uncoded", {"n_workers": 2.5}, r"run\.n_workers: wants an integer, got 2.5"),
        ("cyclic", {"seed": -1}, r"run\.seed: must not be negative, got -1"),
    ],
)
def test_wrong_parameters_are_named(name, parameters, said):
    with pytest.raises(ConfigError, match=said):
        codes.make(name, **{"n_workers": 8, **parameters})


def test_numpy_integers_are_integers():
    given = codes.make("cyclic", n_workers=np.int64(5), n_stragglers=np.int32(2), seed=np.uint8(1))
    plain = codes.make("cyclic", n_workers=5, n_stragglers=2, seed=1)
    assert (given.encoding != plain.encoding).nnz == 0


def test_codes_know_neither_mpi_nor_files():
    script = "import sys, mpicode.codes; print({'mpi4py', 'h5py'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
