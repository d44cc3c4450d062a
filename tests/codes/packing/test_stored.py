import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.codes import packing
from mpicode.codes.packing import stored as module
from mpicode.codes.packing.stored import TABLE, key_of, stored
from mpicode.codes.packing.variants import default_weight, rows_of
from mpicode.errors import DataError

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "packing_table.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("packing_table", SCRIPT)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def shipped_elsewhere(monkeypatch, tmp_path):
    """The table in a folder of its own, where it can be damaged."""
    path = tmp_path / TABLE
    shutil.copy(Path(module.__file__).with_name(TABLE), path)
    monkeypatch.setattr(module.resources, "files", lambda package: tmp_path)
    module._table.cache_clear()
    yield path
    module._table.cache_clear()


def test_everything_that_lwpd_asks_for_by_itself_is_shipped(script):
    n_entries = 0
    for weights, k, _ in script.entries():
        rows = stored(weights, k, packing.FLOOR)
        assert rows is not None, key_of(weights, k, packing.FLOOR)
        assert packing.coherence(rows) >= packing.welch_bound(len(rows), k) - 1e-9
        n_entries += 1
    assert n_entries > 40


def test_what_is_shipped_has_the_bits_that_packing_anew_gives(script):
    """Those that are quick; ``benchmarks/packing_table.py --check`` tries all."""
    quick = [each for each in script.entries() if each[1] <= 4][::6]
    assert len(quick) >= 3
    for weights, k, starts in quick:
        assert_array_equal(
            stored(weights, k, packing.FLOOR), packing.pack(weights, k, starts=starts)
        )


def test_what_is_shipped_is_taken_whatever_the_seed():
    weight = default_weight(16)
    shipped = stored(np.full(32, weight), 16, packing.FLOOR)
    for seed in (0, 5):
        assert_array_equal(rows_of("packed", 32, 16, weight, packing.FLOOR, seed), shipped)


def test_other_parameters_are_packed_at_once():
    assert stored(np.full(9, 3), 5, packing.FLOOR) is None
    assert stored(np.full(32, 4), 16, 0.25) is None
    first, other = (rows_of("packed", 9, 5, 3, packing.FLOOR, seed) for seed in (0, 1))
    assert (first != other).any()


def test_the_names_tell_parameters_apart():
    keys = [
        key_of(np.array(weights), k, floor)
        for weights, k, floor in (
            ([4, 4], 4, 0.5),
            ([4, 4], 5, 0.5),
            ([4, 4], 4, 0.25),
            ([4, 2], 4, 0.5),
            ([2, 4], 4, 0.5),
            ([4, 4, 4], 4, 0.5),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == "2_4_2x4_0.5"


def test_a_damaged_table_is_named(shipped_elsewhere):
    content = bytearray(shipped_elsewhere.read_bytes())
    for place in range(100, len(content), 97):
        content[place] ^= 0x10
    shipped_elsewhere.write_bytes(content)
    with pytest.raises(DataError, match=rf"{TABLE}: the packings shipped cannot be read"):
        stored(np.full(32, 4), 16, packing.FLOOR)


def test_a_missing_table_is_named(shipped_elsewhere):
    shipped_elsewhere.unlink()
    with pytest.raises(DataError, match=f"{TABLE}: the packings shipped cannot be read"):
        stored(np.full(32, 4), 16, packing.FLOOR)


@pytest.mark.parametrize("wrong", ["norm", "shape", "weight", "floor"])
def test_a_table_that_does_not_hold_what_it_says_is_named(shipped_elsewhere, wrong):
    rows = stored(np.full(32, 4), 16, packing.FLOOR).copy()
    if wrong == "norm":
        rows *= 1.001
    elif wrong == "shape":
        rows = rows[:-1]
    elif wrong == "weight":
        rows[0] = np.eye(16)[0]
    else:
        rows[0, rows[0] != 0] = [0.1, 0.1, 0.1, np.sqrt(0.97)]
    np.savez(shipped_elsewhere, **{key_of(np.full(32, 4), 16, packing.FLOOR): rows})
    module._table.cache_clear()
    with pytest.raises(DataError, match=f"{TABLE}: 32_16_32x4_0.5 does not hold"):
        stored(np.full(32, 4), 16, packing.FLOOR)
