"""Importing starts nothing: no MPI, no files, no command that was not asked for."""

import json
import subprocess
import sys

import pytest

import mpicode

HEAVY = {"mpi4py", "h5py", "scipy", "matplotlib", "xarray", "pandas", "tqdm", "threadpoolctl"}


def loaded_after(program, *arguments):
    """The top-level packages in memory when ``program`` has run in a fresh Python."""
    report = "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{report}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_none_of_the_heavy_ones():
    assert loaded_after("import mpicode") & (HEAVY | {"numpy"}) == set()


def test_a_public_name_loads_what_it_needs_and_no_mpi():
    program = "import mpicode; mpicode.codes.make('cyclic', n_workers=4); mpicode.Config"
    assert loaded_after(program) & {"mpi4py", "h5py", "matplotlib"} == set()
    assert loaded_after("import mpicode; mpicode.WorkerPool") & {"mpi4py", "h5py"} == set()
    # running under the virtual clock needs files, but no MPI
    assert "mpi4py" not in loaded_after("import mpicode; mpicode.run")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    program = (
        "import sys\n"
        "from mpicode.__main__ import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as left:\n"
        "    assert left.code == 0"
    )
    assert loaded_after(program, *arguments) & (HEAVY | {"numpy"}) == set()


@pytest.mark.parametrize("name", mpicode.__all__)
def test_every_public_name_is_there(name):
    assert getattr(mpicode, name) is not None
    assert name in dir(mpicode)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mpicode' has no attribute 'nothing'"):
        mpicode.nothing  # noqa: B018
