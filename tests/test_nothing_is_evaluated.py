"""What arrives from a file or the wire is data: nothing unpickles or evaluates it."""

import ast
from pathlib import Path

import numpy as np
import pytest

from mpicode.datasets.importers.labels import Labels
from mpicode.datasets.importers.npy import array_source
from mpicode.errors import DataError

PACKAGE = Path(__file__).parents[1] / "mpicode"

MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "code"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
# the spelling in small letters is mpi4py's for pickled objects
PICKLED_BY_MPI = {
    *("send", "bsend", "ssend", "isend", "issend", "recv", "irecv", "sendrecv", "mrecv"),
    *("bcast", "gather", "scatter", "allgather", "alltoall", "reduce", "allreduce", "scan"),
}
MPI_FILES = ("pool/mpi/", "cli/", "train/", "checkup.py", "launch.py")
# numpy's doors to pickles, unless told otherwise
LOADERS = {"load", "read_array", "open_memmap"}


def offences(path):
    """Return the lines of a file that would take code, or objects, for data."""
    found = []
    tree = ast.parse(path.read_text())
    name = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = {module, *(alias.name for alias in node.names if not module)}
            if {each.partition(".")[0] for each in names} & MODULES:
                found.append((name, node.lineno, ast.unparse(node)))
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id in BUILTINS:
            found.append((name, node.lineno, ast.unparse(node)))
        if not isinstance(function, ast.Attribute):
            continue
        owner = ast.unparse(function.value)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        loads = owner in ("np", "numpy", "np.lib.format") and function.attr in LOADERS
        if loads and keywords.get("allow_pickle") != "False":
            found.append((name, node.lineno, ast.unparse(node)))
        if owner == "torch" and function.attr == "load":
            found.append((name, node.lineno, ast.unparse(node)))
        if name.startswith(MPI_FILES) and function.attr in PICKLED_BY_MPI and "comm" in owner:
            found.append((name, node.lineno, ast.unparse(node)))
    return found


def test_nothing_in_the_package_unpickles_or_evaluates():
    assert [line for path in sorted(PACKAGE.rglob("*.py")) for line in offences(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from yaml import load",
        "eval(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "comm.bcast(x)",
        "self._comm.recv(source=1)",
    ],
)
def test_the_search_finds_what_it_looks_for(tmp_path, monkeypatch, line):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "a.py").write_text(line)
    assert len(offences(tmp_path / "cli" / "a.py")) == 1


class Bomb:
    """Whoever unpickles this is told."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_a_pickle_in_a_source_is_refused(tmp_path):
    bombs = np.array([Bomb(), Bomb()], dtype=object)
    np.save(tmp_path / "X.npy", bombs, allow_pickle=True)
    np.save(tmp_path / "y.npy", np.array([0, 1]))
    np.savez(tmp_path / "a.npz", X=bombs, y=bombs)
    np.savez(tmp_path / "s.npz", data=bombs, indices=bombs, indptr=bombs, shape=bombs)
    labels = Labels("binary")
    for paths in (
        [tmp_path / "X.npy", tmp_path / "y.npy"],
        [tmp_path / "a.npz"],
        [tmp_path / "s.npz", tmp_path / "y.npy"],
    ):
        with pytest.raises(DataError, match="pickle"):
            array_source(paths, labels, "X", "y")
