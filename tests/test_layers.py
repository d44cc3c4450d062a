"""Imports point downwards only. This table is the one statement of who may import whom."""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "mpicode"

# From the bottom up. A part is a file or a folder of mpicode; it may import what stands on lower
# lines, nothing on its own line but itself, and nothing above.
LEVELS = (
    ("errors", "outcomes"),
    ("registry", "tables", "disk", "watch", "probe", "seal"),
    ("kernels", "config", "supervise", "hdf5"),
    ("codes", "problems", "optimizers", "pool", "datasets", "results", "facts", "sweep"),
    ("train", "report", "launch", "checkup", "slurm"),
    ("cli",),
    ("__main__",),
)
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}

# What these must not see although it stands below them.
NEVER = {
    "codes": {"config", "supervise", "watch", "probe", "seal", "hdf5"},
    "problems": {"config", "supervise", "watch", "probe", "seal", "hdf5"},
    "pool": {"config"},
    "slurm": {"codes", "problems", "pool", "datasets", "results", "config"},
    "report": {"train", "pool", "codes", "problems", "optimizers", "datasets"},
}

# Who may import a library that is heavy, or that has one door; type checkers may look anywhere.
DOORS = {
    "mpi4py": {"pool/mpi"},
    "h5py": {
        "datasets/",
        "results/",
        "facts.py",  # its version
        "hdf5.py",  # opens it for both
        "probe.py",  # sees whether it survives a file
        "checkup.py",  # tries whether a folder can be written and locked
    },
    "matplotlib": {"report/"},
    "xarray": {"results/reader.py"},
    "torch": {"problems/torch_factory.py"},
    "tqdm": {"train/progress.py", "datasets/progress.py"},
}


class Import(NamedTuple):
    path: str  # of the file that imports, in the package
    line: int
    name: str  # fully dotted
    lazy: bool  # inside a function
    typing: bool  # under `if TYPE_CHECKING`


def imports_of(path, text):
    """Yield each import of a file, relative ones resolved."""
    package = ("mpicode", *path.parent.parts)

    def walk(node, lazy, typing):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(path.as_posix(), child.lineno, alias.name, lazy, typing)
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else ()
                base = (*base, *(child.module or "").split(".")) if child.module else base
                for alias in child.names:
                    name = ".".join((*base, alias.name))
                    yield Import(path.as_posix(), child.lineno, name, lazy, typing)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from walk(child, lazy, True)
            else:
                function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
                yield from walk(child, lazy or function, typing)

    yield from walk(ast.parse(text), False, False)


def all_imports():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from imports_of(path.relative_to(PACKAGE), path.read_text(encoding="utf-8"))


IMPORTS = list(all_imports())


def part_of(path):
    first = Path(path).parts[0]
    return first.removesuffix(".py")


def imported_part(name):
    """The part of mpicode that a dotted name lies in, None for the root and for other packages."""
    names = name.split(".")
    if names[0] != "mpicode" or len(names) < 2:
        return None
    return names[1] if names[1] != "__version__" else None


def wrong_imports(imports):
    for one in imports:
        importer, imported = part_of(one.path), imported_part(one.name)
        if imported is None or imported == importer or one.typing:
            continue
        if LEVEL[imported] >= LEVEL[importer] or imported in NEVER.get(importer, ()):
            yield f"{one.path}:{one.line} imports {one.name}"


def test_every_part_has_its_place():
    parts = {part_of(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    assert parts - {"__init__"} == set(LEVEL)


def test_imports_point_downwards():
    assert list(wrong_imports(IMPORTS)) == []


def test_the_root_of_the_package_imports_nothing_of_it():
    assert [one for one in IMPORTS if one.path == "__init__.py" and imported_part(one.name)] == []


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_its_doors(library):
    doors = DOORS[library]
    users = {one.path for one in IMPORTS if one.name.split(".")[0] == library and not one.typing}
    outside = [path for path in users if not any(path.startswith(door) for door in doors)]
    assert sorted(outside) == []
    unused = [door for door in doors if not any(path.startswith(door) for path in users)]
    assert unused == [], "a door that nobody uses"


def test_the_command_line_loads_nothing_before_it_knows_the_command():
    heavy = {"train", "report", "pool", "codes", "problems", "optimizers", "datasets", "results"}
    eager = [
        f"{one.path}:{one.line} imports {one.name}"
        for one in IMPORTS
        if part_of(one.path) == "cli" and not (one.lazy or one.typing)
        # loaded by a command that needs them anyway
        if one.path != "cli/summary.py"
        if imported_part(one.name) in heavy or one.name.split(".")[0] in ("numpy", "scipy", "h5py")
    ]
    assert eager == []


def test_the_walk_sees_every_form_of_import():
    text = """
import h5py, mpicode.pool.mpi as door
from ..pool import wire
from . import base
from .. import kernels
from mpicode.errors import ConfigError
if TYPE_CHECKING:
    from ...train import run
def late():
    try:
        from ..results import read_run
    finally:
        pass
"""
    seen = {one.name: one for one in imports_of(Path("codes/data/new.py"), text)}
    assert list(seen) == [
        "h5py",
        "mpicode.pool.mpi",
        "mpicode.codes.pool.wire",
        "mpicode.codes.data.base",
        "mpicode.codes.kernels",
        "mpicode.errors.ConfigError",
        "mpicode.train.run",
        "mpicode.codes.results.read_run",
    ]
    assert seen["mpicode.train.run"].typing
    assert seen["mpicode.codes.results.read_run"].lazy
    assert not seen["h5py"].lazy
    text = "from ..pool import wire\nfrom .. import train\nfrom ..errors import ConfigError\n"
    wrong = list(wrong_imports(imports_of(Path("codes/new.py"), text)))
    assert wrong == [
        "codes/new.py:1 imports mpicode.pool.wire",
        "codes/new.py:2 imports mpicode.train",
    ]
