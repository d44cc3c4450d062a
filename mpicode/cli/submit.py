"""``mpicode submit``: hand a run to SLURM."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, GaveUp
from ..slurm.options import LAUNCHERS, Launcher, Options, elements
from .configuration import (
    add_config_arguments,
    changes_to_hand_on,
    implied_output,
    load_sweep,
    with_output,
)
from .values import exit_code

if TYPE_CHECKING:
    from ..config import Config
    from ..sweep import Sweep


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "submit",
        help="hand a run to SLURM",
        description="Write the job script of a run beside its run file, hand it to SLURM and print "
        "the number of the job. When its time is up, or a node fails, the job goes back into the "
        "queue and resumes. The runs of a [sweep] become an array of jobs.",
        epilog="example: mpicode submit run.toml --time 12:00:00 --sbatch=--mem-per-cpu=4G --wait",
    )
    add_config_arguments(parser)
    parser.add_argument("-o", "--output", metavar="RUN.h5", help="run file (default: NAME.h5 here)")
    parser.add_argument("--print", action="store_true", help="print the script, and that is all")
    parser.add_argument(
        "--wait", action="store_true", help="wait for the end of the job; exit with its exit code"
    )
    _add_job_arguments(parser.add_argument_group("the job"))
    parser.set_defaults(command=command)


def _add_job_arguments(group: Any) -> None:
    default = Options()
    group.add_argument("--nodes", metavar="N[-MOST]", help="nodes (default: as the tasks fit)")
    group.add_argument(
        "--ntasks", type=int, metavar="N", help="tasks (default: run.n_workers + 1 for the master)"
    )
    group.add_argument(
        "--cpus-per-task",
        type=int,
        metavar="N",
        default=default.cpus_per_task,
        help="cores of each task, and threads of its BLAS (default: %(default)s)",
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
    group.add_argument(
        "--seconds-to-save",
        type=int,
        metavar="SECONDS",
        default=default.seconds_to_save,
        help="ask the run to save so long before the time is up (default: %(default)s)",
    )
    group.add_argument(
        "--interrupted-exit-code",
        type=exit_code,
        metavar="CODE",
        default=default.interrupted_exit_code,
        help="exit code of a run that saved and is not at its end (default: %(default)s)",
    )
    group.add_argument(
        "--before",
        action="append",
        default=[],
        metavar="COMMAND",
        help="a line of shell that the job begins with, e.g. 'module load openmpi'",
    )
    group.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="OPTION",
        help="any other option of sbatch, e.g. --sbatch=--qos=long",
    )


def command(options: argparse.Namespace) -> int:
    """Write the script, hand it over, say its number, wait if asked to."""
    from .. import slurm

    # a problem of the user's own lies beside the configuration
    sys.path.insert(0, str(Path(options.config).resolve().parent))
    sweep = load_sweep(options)
    array = _array(options, sweep)
    numbers = [options.element] if array is None else _numbers(array)
    configs = [sweep.config(number) for number in numbers]
    complete = [with_output(config, options) for config in configs]
    path = _script_path(complete[0], array)
    job = _job(options, configs, path, array)
    text = slurm.script(job)
    if options.print:
        print(text, end="")
        return 0
    _check_runs(sweep, numbers, complete)
    _check_site(job)
    _write(path, text)
    number = slurm.submit(path, _environment())
    print(number, flush=True)
    _say(f"{path} submitted as job {number}")
    if not options.wait:
        return 0
    try:
        return slurm.wait(number, _say)
    except KeyboardInterrupt:
        raise GaveUp(f"not waited for; 'scancel {number}' ends the job") from None


def _say(text: str) -> None:
    print(f"mpicode: {text}", file=sys.stderr, flush=True)


def _array(options: argparse.Namespace, sweep: Sweep) -> str | None:
    """Return which elements of a sweep to run, in SLURM's words; None for a single run."""
    if sweep.is_one_run or options.element is not None:
        if options.array is not None:
            why = "--element chooses one run" if options.element is not None else "there is one run"
            raise ConfigError(f"--array: {options.array}, but {why} in {options.config}")
        return None
    n, array = len(sweep), options.array or ""
    if not array or array.startswith("%"):
        array = f"0-{n - 1}{array}"
    for part in elements(array):
        if part[-1] >= n:
            raise ConfigError(
                f"--array: element {part[-1]}, but [sweep] of {options.config} has the elements "
                f"0 to {n - 1}"
            )
    return array


def _numbers(array: str) -> list[int]:
    return sorted({number for part in elements(array) for number in part})


def _script_path(config: Config, array: str | None) -> Path:
    """Return where the script goes: ``NAME.sbatch`` beside ``NAME.h5``, or ``NAME-K.h5``."""
    assert config.output.path is not None
    run_file = Path(config.output.path)
    if array is not None:
        stem = run_file.stem.removesuffix(f"-{config.element.number}")
        run_file = run_file.with_name(f"{stem}{run_file.suffix}")
    return run_file.with_suffix(".sbatch")


def _job(
    options: argparse.Namespace, configs: list[Config], path: Path, array: str | None
) -> Options:
    """Put together what is said of the job; `Options` checks the rest of it."""
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
    return Options(
        arguments=tuple(arguments),
        name=path.stem,
        folder=str(path.parent),
        n_tasks=n_tasks,
        cpus_per_task=options.cpus_per_task,
        nodes=options.nodes,
        time=options.time,
        partition=options.partition,
        account=options.account,
        dependency=options.dependency,
        array=array,
        requeue=options.requeue,
        resume=keeps,
        heterogeneous=options.heterogeneous,
        launcher=launcher,
        seconds_to_save=options.seconds_to_save,
        interrupted_exit_code=options.interrupted_exit_code,
        before=tuple(options.before),
        more=tuple(options.sbatch),
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
        _say(f"{ranks} ranks share the cores of {n_tasks} tasks")


def _check_runs(sweep: Sweep, numbers: list[Any], configs: list[Config]) -> None:
    """Raise for what the runs would say after their time in the queue."""
    from ..train.setup import build
    from .elements import checked, see_files_apart

    if len(configs) == 1:
        build(configs[0]).close()
    else:
        for number in numbers:
            checked(sweep, number)
        see_files_apart(dict(zip(numbers, configs, strict=True)))
    for config in configs:
        folder = Path(config.output.path or "").parent
        if not folder.is_dir():
            raise ConfigError(f"output.path: there is no folder {folder}")


def _check_site(job: Options) -> None:
    """Raise for what this site does not have."""
    from ..slurm.scheduler import mpi_types, partitions

    if job.partition is not None:
        known = partitions()
        for name in job.partition.split(","):
            if name not in known:
                raise ConfigError(
                    f"--partition: there is no {name!r}; there are {', '.join(known)}"
                )
    if job.launcher != "mpirun":
        kind, there = job.launcher.removeprefix("srun-"), mpi_types()
        if not any(name == kind or name.startswith(f"{kind}_v") for name in there):
            raise ConfigError(
                f"--launcher: srun knows no {kind!r} here; it knows {', '.join(there)}"
            )


def _write(path: Path, text: str) -> None:
    """Write the script, but over none that is somebody's own."""
    from ..disk import refusal, replace
    from ..slurm.script import MARK

    try:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise ConfigError(
                f"{path} is there and was not written by 'mpicode submit'; choose another name "
                "by -o RUN.h5, whose script is RUN.sbatch"
            )
        replace(path, [text.encode()])
    except OSError as error:
        raise refusal(path, error) from None


def _environment() -> dict[str, str]:
    """Return ours, in which the job finds the mpicode that submitted it."""
    env = dict(os.environ)
    ours = str(Path(sys.executable).parent)
    if shutil.which("mpicode", path=ours):
        env["PATH"] = os.pathsep.join(filter(None, (ours, env.get("PATH"))))
    return env
