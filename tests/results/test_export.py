from __future__ import annotations

import json

import numpy as np
import pytest

from mpicode.errors import DataError
from mpicode.results import export_npz, read_run


def test_an_export_reloads_bit_equal(tmp_path, write_run):
    write_run(tmp_path / "run.h5", n_iterations=60)
    run = read_run(tmp_path / "run.h5")
    export_npz(run, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as loaded:
        arrays = dict(loaded)
    expected = {
        "parameters": run.parameters,
        **{f"iterations/{name}": column for name, column in run.iterations.items()},
        **{f"workers/{name}": column for name, column in run.workers.items()},
        **{f"messages/{name}": run.messages[name] for name in run.messages.dtype.names},
        "code/0/owner": run.codes[0]["owner"],
        "code/0/encoding/data": run.codes[0]["encoding"].data,
    }
    for name, array in expected.items():
        assert arrays[name].dtype.str == array.dtype.str, name
        assert arrays[name].tobytes() == array.tobytes(), name
    assert arrays["events/detail"].tolist() == run.events["detail"].tolist()
    assert arrays["outcomes"][arrays["messages/outcome"][0]] == "used"
    assert json.loads(str(arrays["attrs"])) == run.attrs
    assert not list(tmp_path.glob("*.part"))


def test_an_unfinished_run_is_exported_without_parameters(tmp_path, write_run):
    writer = write_run(tmp_path / "run.h5", n_iterations=5, close=False)
    export_npz(read_run(writer.part), tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as loaded:
        assert "parameters" not in loaded
        assert len(loaded["iterations/loss"]) == 5


def test_a_folder_that_is_not_there_is_named(tmp_path, write_run):
    write_run(tmp_path / "run.h5", n_iterations=5)
    with pytest.raises(DataError, match=r"nowhere.out\.npz: cannot be written"):
        export_npz(read_run(tmp_path / "run.h5"), tmp_path / "nowhere" / "out.npz")
