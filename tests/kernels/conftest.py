import importlib
from types import SimpleNamespace

import pytest

from mpicode.kernels import plain

MODULES = (
    "_sums",
    "_segments",
    "_sparse_segments",
    "_sparse",
    "_residuals",
    "_modular",
    "_packing",
    "_exchange",
    "_checksums",
    "_light",
    "_mixing",
)
NAMES = (
    "LightSteps",
    "combine",
    "combine_segments",
    "accumulate",
    "csr_dot",
    "csr_transpose_accumulate",
    "csr_transpose_segments",
    "finite_square",
    "fletcher32",
    "innovate",
    "innovate_step",
    "logistic_residual",
    "modular_combine",
    "modular_dot",
    "modular_transpose_dot",
    "mix_slots",
    "softmax_residual",
    "frame_energy",
    "sphere_step",
    "exchange_signs",
)


def compiled_kernels():
    """The compiled functions, whatever the environment asked the package for."""
    modules = [importlib.import_module(f"mpicode.kernels.{m}") for m in MODULES]
    found = {name: getattr(m, name) for m in modules for name in NAMES if hasattr(m, name)}
    return SimpleNamespace(**found)


@pytest.fixture(params=["compiled", "plain"])
def kernels(request):
    if request.param == "plain":
        return plain
    try:
        return compiled_kernels()
    except ImportError:
        pytest.skip("the kernels were not compiled")


@pytest.fixture
def compiled():
    try:
        return compiled_kernels()
    except ImportError:
        pytest.skip("the kernels were not compiled")
