"""The options of ``mpicode submit`` that describe the job, and what is made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..slurm.options import LAUNCHERS, Launcher, Options
from . import say
from .configuration import changes_to_hand_on, implied_output
from .values import exit_code

if TYPE_CHECKING:
    from ..config import Config


def add_job_arguments(group: Any) -> None:
    """Add them; their defaults are those of `Options`."""
    default = Options()

    def add_number(flag: str, text: str, default: int | None, **more: Any) -> None:
        group.add_argument(
            flag, default=default, help=text, **{"type": int, "metavar": "N", **more}
        )

    def add_several(flag: str, metavar: str, text: str) -> None:
        group.add_argument(flag, action="append", default=[], metavar=metavar, help=text)

    group.add_argument("--nodes", metavar="N[-MOST]", help="nodes (default: as the tasks fit)")
    add_number("--ntasks", "tasks (default: run.n_workers + 1 for the master)", None)
    add_number(
        "--cpus-per-task",
        "cores of each task, and threads of its BLAS (default: %(default)s)",
        default.cpus_per_task,
    )
    group.add_argument("--time", default=default.time, help="time limit (default: %(default)s)")
    group.add_argument("--partition", metavar="NAME")
    group.add_argument("--account", metavar="NAME")
    group.add_argument("--dependency", metavar="KIND:JOB", help="e.g. afterok:123")
    group.add_argument(
        "--array",
        metavar="K[-L][%MOST]",
        help="elements of a sweep (default: all of them); %%4 after them, or by itself: at most 4 "
        "at a time",
    )
    group.add_argument(
        "--requeue",
        action=argparse.BooleanOptionalAction,
        default=default.requeue,
        help="go back into the queue when the time is up, and resume (default: --requeue)",
    )
    group.add_argument(
        "--heterogeneous", action="store_true", help="give the master a node of its own; by srun"
    )
    group.add_argument(
        "--launcher",
        choices=LAUNCHERS,
        help="what starts the ranks (default: mpirun, which alone survives the death of a rank; "
        "for --heterogeneous srun-pmix)",
    )
    add_number(
        "--seconds-to-save",
        "ask the run to save so long before the time is up (default: %(default)s)",
        default.seconds_to_save,
        metavar="SECONDS",
    )
    add_number(
        "--interrupted-exit-code",
        "exit code of a run that saved and is not at its end (default: %(default)s)",
        default.interrupted_exit_code,
        type=exit_code,
        metavar="CODE",
    )
    add_several(
        "--before",
        "COMMAND",
        "a line of shell that the job begins with, e.g. 'module load openmpi'",
    )
    add_several("--sbatch", "OPTION", "any other option of sbatch, e.g. --sbatch=--qos=long")


def job_of(
    options: argparse.Namespace, configs: list[Config], path: Path, array: str | None
) -> Options:
    """Put together what is said of the job; `Options` checks the rest of it.

    configs : of the runs it is for
    path    : of its script
    array   : which elements, if several
    """
    ranks = max(config.run.n_workers for config in configs) + 1
    n_tasks = ranks if options.ntasks is None else options.ntasks
    launcher: Launcher = options.launcher or ("srun-pmix" if options.heterogeneous else "mpirun")
    _check_tasks(n_tasks, ranks, launcher)
    keeps = all(config.checkpoint.keep > 0 for config in configs)
    if options.requeue and not keeps:
        raise ConfigError(
            "checkpoint.keep: 0, but a job that goes back into the queue goes on from a "
            "checkpoint; --no-requeue does without"
        )
    arguments = [str(Path(options.config).resolve()), *changes_to_hand_on(options)]
    if options.output is not None or all(config.output.path is None for config in configs):
        arguments += ["-o", str(implied_output(options).resolve())]
    same = (
        *("cpus_per_task", "nodes", "time", "partition", "account", "dependency", "requeue"),
        *("heterogeneous", "seconds_to_save", "interrupted_exit_code"),
    )
    return Options(
        arguments=tuple(arguments),
        name=path.stem,
        folder=str(path.parent),
        n_tasks=n_tasks,
        array=array,
        resume=keeps,
        launcher=launcher,
        before=tuple(options.before),
        more=tuple(options.sbatch),
        **{name: getattr(options, name) for name in same},
    )


def _check_tasks(n_tasks: int, ranks: int, launcher: str) -> None:
    from ..launch import describe_size

    if n_tasks > ranks:
        raise ConfigError(f"--ntasks: {n_tasks} tasks, but the run has {describe_size(ranks)}")
    if n_tasks < ranks and launcher != "mpirun":
        raise ConfigError(
            f"--ntasks: {n_tasks} tasks, but the run has {describe_size(ranks)}, and srun starts "
            "one for each task"
        )
    if n_tasks < ranks:
        say(f"{ranks} ranks share the cores of {n_tasks} tasks")
