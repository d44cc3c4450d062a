"""What can be said of a job, and what is nonsense before any scheduler is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import ConfigError

Launcher = Literal["mpirun", "srun-pmix", "srun-pmi2"]
LAUNCHERS: tuple[str, ...] = get_args(Launcher)

# minutes, minutes:seconds, hours:minutes:seconds; days-hours, and so on
_TIME = re.compile(r"(?:(\d+)-(\d+)(?::(\d+)(?::(\d+))?)?|(?:(?:(\d+):)?(\d+):)?(\d+))", re.ASCII)
_NO_LIMIT = ("UNLIMITED", "INFINITE")
_NODES = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
_ELEMENTS = r"\d+(?:-\d+(?::\d+)?)?"
_ARRAY = re.compile(rf"({_ELEMENTS}(?:,{_ELEMENTS})*)(?:%[1-9]\d*)?", re.ASCII)
_KINDS = "after|afterany|afterok|afternotok|aftercorr|afterburstbuffer|expand"
_JOBS = r":\d+(?:_(?:\d+|\*))?(?:\+\d+)?"
_DEPENDENCY = rf"(?:(?:{_KINDS})(?:{_JOBS})+|singleton)"
_DEPENDENCIES = re.compile(rf"{_DEPENDENCY}(?:([,?]){_DEPENDENCY}(?:\1{_DEPENDENCY})*)?", re.ASCII)

# What SLURM can be told, and what of it is left to MPI and the disk.
_LEAST_SECONDS_TO_SAVE, _MOST_SECONDS_TO_SAVE = 20, 65535


@dataclass(frozen=True)
class Options:
    """A job that runs ``mpicode run``; raises `ConfigError` for what can be no job.

    The defaults are those of ``jobs/run.sbatch``. A ``None`` leaves the choice to the site.
    """

    arguments: tuple[str, ...] = ("jobs/quickstart.toml",)
    """Of ``mpicode run``, where the script is given none: configuration first."""
    name: str = "mpicode"
    """Of the job."""
    folder: str = ""
    """Where the log goes; empty: the folder the job is submitted from."""
    n_tasks: int = 9
    """One for the master, the others for workers."""
    cpus_per_task: int = 1
    """Cores of each task, and threads of its BLAS."""
    nodes: str | None = None
    """How many, ``N`` or ``LEAST-MOST``."""
    time: str = "01:00:00"
    """The limit, in SLURM's forms."""
    partition: str | None = None
    account: str | None = None
    dependency: str | None = None
    """As SLURM has it: ``afterok:123``."""
    array: str | None = None
    """Numbers of the elements of a sweep, as SLURM has it: ``0-5``, ``0,3``, ``0-99%4``."""
    requeue: bool = True
    """Go back into the queue when the time is up, or a node fails, and resume."""
    resume: bool = True
    """Begin where an earlier job of the run has saved it."""
    heterogeneous: bool = False
    """The master on a node of its own; needs srun."""
    launcher: Launcher = "mpirun"
    seconds_to_save: int = 60
    """How long before the time is up the run is asked to save."""
    interrupted_exit_code: int = 85
    """Of a job that saved its run and did not come to its end."""
    before: tuple[str, ...] = ()
    """Lines of shell that the job begins with: modules, environments."""
    more: tuple[str, ...] = ()
    """Further options of sbatch."""

    def __post_init__(self) -> None:
        if self.n_tasks < 2:
            raise ConfigError(
                f"--ntasks: {self.n_tasks}, but the smallest run has 2 (1 master + 1 worker)"
            )
        if self.cpus_per_task < 1:
            raise ConfigError(f"--cpus-per-task: must be at least 1, got {self.cpus_per_task}")
        if self.nodes is not None:
            _check_nodes(self.nodes, self.n_tasks)
        if not _LEAST_SECONDS_TO_SAVE <= self.seconds_to_save <= _MOST_SECONDS_TO_SAVE:
            raise ConfigError(
                f"--seconds-to-save: must be from {_LEAST_SECONDS_TO_SAVE} to "
                f"{_MOST_SECONDS_TO_SAVE}, got {self.seconds_to_save}"
            )
        limit = seconds_of(self.time)
        if limit is not None and limit <= self.seconds_to_save:
            raise ConfigError(
                f"--time: {self.time} is {limit} s, but already {self.seconds_to_save} s before "
                "its end the run is asked to save"
            )
        if self.dependency is not None and not _DEPENDENCIES.fullmatch(self.dependency):
            raise ConfigError(
                f"--dependency: {self.dependency!r} is none; SLURM's forms are KIND:JOB[:JOB...] "
                "and singleton, e.g. afterok:123"
            )
        if self.array is not None:
            elements(self.array)
        if self.requeue and not self.resume:
            raise ConfigError("--requeue: a job that goes back into the queue has to resume")
        self._check_launcher()
        for text in (self.name, self.folder, self.partition or "", self.account or "", *self.more):
            _check_text(text)
        for argument in (*self.arguments, *self.before):
            _check_printable(argument)
        for option in self.more:
            if not re.fullmatch(r"--[a-z].*", option):
                raise ConfigError(f"--sbatch: {option!r} is none, e.g. --sbatch=--qos=long")

    def _check_launcher(self) -> None:
        if self.launcher not in LAUNCHERS:
            raise ConfigError(f"--launcher: {self.launcher!r} is none of {', '.join(LAUNCHERS)}")
        if self.heterogeneous and self.launcher == "mpirun":
            raise ConfigError(
                "--heterogeneous: mpirun sees the first part of such a job alone; "
                "use --launcher srun-pmix or srun-pmi2"
            )
        if self.heterogeneous and self.array is not None:
            raise ConfigError("--heterogeneous: SLURM has no arrays of such jobs")


def seconds_of(time: str) -> int | None:
    """Return the seconds of a time limit in one of SLURM's forms, None for no limit.

    Raises `ConfigError` for what is none of them, and for no time at all.
    """
    if time.upper() in _NO_LIMIT:
        return None
    found = _TIME.fullmatch(time)
    if found is None:
        raise ConfigError(
            f"--time: {time!r} is no time; SLURM's forms are minutes, minutes:seconds, "
            "hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds"
        )
    days, hours, minutes, seconds, h, m, last = (int(part or 0) for part in found.groups())
    if found[1] is None:
        # a number by itself is minutes, the last of several seconds
        hours, minutes, seconds = (h, m, last) if found[6] is not None else (0, last, 0)
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total == 0:
        raise ConfigError(f"--time: {time!r} is no time at all")
    return total


def elements(array: str) -> list[range]:
    """Return the numbers that an array specification stands for, as ranges.

    Raises `ConfigError` for what is no specification.
    """
    found = _ARRAY.fullmatch(array)
    if found is None:
        raise ConfigError(
            f"--array: {array!r} is none; SLURM's forms are 0-5, 0,3,7, 0-9:3, and %N after them "
            "for at most N at a time"
        )
    ranges = []
    for part in found[1].split(","):
        first, last, step = re.fullmatch(r"(\d+)(?:-(\d+))?(?::(\d+))?", part, re.ASCII).groups()  # type: ignore[union-attr]
        numbers = range(int(first), int(last or first) + 1, int(step or 1) or 1)
        if not numbers or step == "0":
            raise ConfigError(f"--array: {part!r} has no element")
        ranges.append(numbers)
    return ranges


def _check_nodes(nodes: str, n_tasks: int) -> None:
    found = _NODES.fullmatch(nodes)
    if found is None or int(found[1]) < 1 or int(found[2] or found[1]) < int(found[1]):
        raise ConfigError(f"--nodes: {nodes!r} is neither a number nor LEAST-MOST")
    if int(found[1]) > n_tasks:
        raise ConfigError(f"--nodes: {found[1]} nodes, but {n_tasks} tasks")


def _check_text(text: str) -> None:
    """Raise `ConfigError` for what cannot stand in a line that sbatch reads."""
    _check_printable(text)
    if "\\" in text:
        raise ConfigError(f"{text!r}: sbatch takes no backslash in names and paths")


def _check_printable(text: str) -> None:
    if not text.isprintable():
        raise ConfigError(f"{text!r}: a script can have nothing in it that cannot be printed")
