"""A code that would blow the rounding of its messages up is refused before the run begins."""

import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.codes.sets import straggler_sets
from mpicode.config import Decoding
from mpicode.errors import ConfigError
from mpicode.train.precision import MAX_ERROR, check_precision
from mpicode.train.stop_rules import StopRules

from .schemes import WORKERS, make

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64])
@pytest.mark.parametrize("name", WORKERS)
def test_every_scheme_passes_with_its_defaults(name, dtype):
    check_precision(StopRules(make(name)), dtype, None)


def worst(code, n_lost):
    rng = np.random.default_rng(0)
    sets = np.concatenate(
        [straggler_sets(code.n_workers, n_lost, 10**6, rng), code.hard_sets(n_lost)]
    )
    return max(code.decode(~np.isin(code.owner, lost)).amplification for lost in sets)


def test_the_text_names_both_numbers():
    code = codes.make("cyclic", n_workers=10, n_stragglers=3)
    error = worst(code, 3) * np.finfo(np.float64).eps
    rules = StopRules(code)
    check_precision(rules, FLOAT64, error * 1.001)
    with pytest.raises(ConfigError) as caught:
        check_precision(rules, FLOAT64, error * 0.999)
    text = str(caught.value)
    assert text.startswith(f"decoding.max_error: {error * 0.999:g}, but without 3 of 10 workers ")
    assert f"amplifies noise {worst(code, 3):.3g} times" in text
    assert text.endswith(f"the rounding of float64 to {error:.2g}")


def test_a_rule_that_waits_for_fewer_is_judged_by_its_sets():
    code = codes.make("cyclic", n_workers=10, n_stragglers=1)
    with pytest.raises(ConfigError, match="without 4 of 10 workers"):
        check_precision(StopRules(code, Decoding(n_answers=6)), FLOAT64, 0.0)


def test_float32_is_allowed_less_amplification():
    """40 workers, 20 lost: the search of `cyclic` finds nothing that float32 could carry."""
    rules = StopRules(codes.make("cyclic", n_workers=40, n_stragglers=20))
    check_precision(rules, FLOAT64, None)
    with pytest.raises(ConfigError, match=f"decoding.max_error: {MAX_ERROR['float32']:g}, but"):
        check_precision(rules, FLOAT32, None)
    check_precision(rules, FLOAT32, np.inf)


def test_very_many_workers_are_sampled_only():
    """Hundreds lost of a thousand are too many sets to decode at the start of a run."""
    code = codes.make("ignore-stragglers", n_workers=1000, n_stragglers=300)
    check_precision(StopRules(code), FLOAT64, None)


def test_a_run_is_refused_or_allowed_by_its_configuration(write_data, tables, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 3))
    job = tables(
        data={"path": write_data(X, X @ [1.0, 2.0, 3.0])},
        problem={"name": "least-squares", "l2": 0.0},
        code={"name": "cyclic", "n_stragglers": 2},
        run={"n_workers": 9, "dtype": "float32"},
        decoding={"max_error": 1e-7},
        output={"path": str(tmp_path / "run.h5")},
    )
    with pytest.raises(ConfigError, match=r"max_error: 1e-07, but without 2 of 9 workers"):
        mpicode.run(job)
    assert not list(tmp_path.glob("run.h5*"))
    job["decoding"]["max_error"] = 1.0
    assert mpicode.run(job).complete
