import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mpicode
from mpicode import kernels
from mpicode.kernels import plain

FUNCTIONS = sorted(set(kernels.__all__) - {"COMPILED", "MERSENNE_61"})


@pytest.mark.skipif(
    os.environ.get("MPICODE_REQUIRE_EXT") != "1", reason="MPICODE_REQUIRE_EXT=1 is not set"
)
def test_compiled_where_required():
    assert kernels.COMPILED


@pytest.mark.parametrize("name", FUNCTIONS)
def test_twin_takes_the_same_arguments(compiled, name):
    mine = inspect.signature(getattr(compiled, name)).parameters
    twin = inspect.signature(getattr(plain, name)).parameters
    assert [(p.name, p.default) for p in mine.values()] == [
        (p.name, p.default) for p in twin.values()
    ]
    assert name in kernels.__doc__


@pytest.mark.parametrize(("asked", "compiled_wanted"), [("1", False), ("0", True)])
def test_environment_chooses_the_twins(compiled, asked, compiled_wanted):
    code = (
        "import sys, mpicode.kernels as k; "
        "print(k.COMPILED, k.combine.__module__, {'scipy', 'h5py', 'mpi4py'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MPICODE_PLAIN_KERNELS": asked},
        cwd=Path(mpicode.__file__).parent.parent,  # the very package that is under test
        capture_output=True,
        text=True,
        check=True,
    )
    module = "_sums" if compiled_wanted else "plain"
    assert done.stdout.split(maxsplit=2)[0] == str(compiled_wanted)
    assert done.stdout.split(maxsplit=2)[1] == f"mpicode.kernels.{module}"
    assert done.stdout.split(maxsplit=2)[2].strip() == "set()"
