"""What is wrong with a world of ranks, judged from the facts of each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Facts = Mapping[str, Any]

#: What the shared-memory transports of Open MPI and MPICH set aside for a rank, and some to spare.
_SHARED_BYTES_PER_RANK = 32 << 20


class Problem(NamedTuple):
    """Something wrong: ``fatal`` means that no run is possible; ``advice`` says what to do."""

    fatal: bool
    text: str
    advice: str


def problems_of_world(ranks: Sequence[Facts]) -> list[Problem]:
    """Return what is wrong with the ranks; ``ranks`` are their `mpicode.facts.collect`."""
    failed = problems_of_loading(ranks)
    if failed:
        return failed
    found = []
    if len(ranks) < 2:
        found.append(
            Problem(True, "1 rank = 1 master + 0 workers", "start 2 ranks or more: mpirun -n 2 ...")
        )
    found += _differences(ranks)
    for host in dict.fromkeys(facts["host"] for facts in ranks):
        found += _of_host(host, [facts for facts in ranks if facts["host"] == host])
    if not all(facts["compiled"] for facts in ranks):
        found.append(
            Problem(
                False,
                "the plain kernels are used, the compiled ones are missing or switched off",
                "unset MPICODE_PLAIN_KERNELS; reinstall mpicode where a C compiler is at hand "
                "(MPICODE_REQUIRE_EXT=1 makes the installation say what fails)",
            )
        )
    return found


def problems_of_loading(ranks: Sequence[Facts]) -> list[Problem]:
    """Return which ranks have an ``error`` in the place of their facts."""
    return [
        Problem(True, f"rank {rank} cannot load what it needs: {facts['error']}", "reinstall it")
        for rank, facts in enumerate(ranks)
        if "error" in facts
    ]


def _differences(ranks: Sequence[Facts]) -> list[Problem]:
    """Ranks that run different programs: fatal for what crosses the wire, else a warning."""
    found = []
    for key in ("mpicode", "mpi", "python", "numpy", "hdf5"):
        values = list(dict.fromkeys(facts[key] for facts in ranks))
        if len(values) > 1:
            found.append(
                Problem(
                    key in ("mpicode", "mpi"),
                    f"the ranks run different versions of {key}: {', '.join(values)}",
                    "use the same environment on all hosts",
                )
            )
    return found


def _of_host(host: str, ranks: Sequence[Facts]) -> list[Problem]:
    # Launchers bind each rank to cores of its own: what the host offers is all of them together.
    n_cores = len(set().union(*(facts["cpus"] for facts in ranks)))
    cores = f"{n_cores} core{'s' * (n_cores != 1)}"
    threads = max(facts["blas_threads"] for facts in ranks)
    found = []
    if len(ranks) > n_cores:
        found.append(
            Problem(
                False,
                f"{len(ranks)} ranks share {cores} of {host}",
                "right for trying things out; for timings start at most one rank per core",
            )
        )
    if threads > 1 and threads * len(ranks) > n_cores:
        found.append(
            Problem(
                False,
                f"{len(ranks)} ranks with up to {threads} BLAS threads each on {cores} of {host}",
                "export OMP_NUM_THREADS=1 before mpirun",
            )
        )
    shared = ranks[0]["shared_memory_bytes"]
    if shared is not None and shared < len(ranks) * _SHARED_BYTES_PER_RANK:
        found.append(
            Problem(
                False,
                f"/dev/shm of {host} has {shared >> 20} MiB free, {len(ranks)} ranks want "
                f"{len(ranks) * _SHARED_BYTES_PER_RANK >> 20} MiB",
                "remove old files from it; in a container, start it with --shm-size=1g",
            )
        )
    return found


def problems_of_installation(wheels: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with the MPI runtimes installed beside this Python, name -> version."""
    if len(wheels) < 2:
        return []
    named = " and ".join(f"{name} {version}" for name, version in wheels.items())
    return [
        Problem(
            False,
            f"{named} are installed together and overwrite each other's mpirun and mpiexec",
            f"pip uninstall {' '.join(wheels)}, then install one of them again",
        )
    ]


def problems_of_folder(folder: Path) -> list[Problem]:
    """Return what keeps HDF5 from writing and locking a file in ``folder``, by trying it."""
    import h5py

    try:
        handle, name = tempfile.mkstemp(prefix=".mpicode-doctor-", suffix=".h5", dir=folder)
    except OSError as error:
        text = f"{folder} cannot be written: {error.strerror}"
        return [Problem(False, text, "give -o RUN.h5 in a folder that can")]
    os.close(handle)
    try:
        for locking in (True, False):
            try:
                with h5py.File(name, "w", locking=locking) as file:
                    file["x"] = 1
            except OSError as error:
                refusal = " ".join(str(error).split())
                continue
            if locking:
                return []
            return [
                Problem(
                    False,
                    f"HDF5 cannot lock files in {folder}: {refusal}",
                    "export HDF5_USE_FILE_LOCKING=FALSE, or write to another file system",
                )
            ]
        return [Problem(False, f"HDF5 cannot write in {folder}: {refusal}", "write elsewhere")]
    finally:
        Path(name).unlink()
