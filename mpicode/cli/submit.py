"""``mpicode submit``: hand a run to SLURM."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, GaveUp
from ..slurm.options import Options, elements
from . import say
from .configuration import add_config_arguments, load_sweep, with_output
from .job_options import add_job_arguments, job_of

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
    add_job_arguments(parser.add_argument_group("the job"))
    parser.set_defaults(command=command)


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
    job = job_of(options, configs, path, array)
    text = slurm.script(job)
    if options.print:
        print(text, end="")
        return 0
    _check_runs(sweep, numbers, complete)
    _check_site(job)
    number = _submitted(path, text)
    print(number, flush=True)
    say(f"{path} submitted as job {number}")
    if not options.wait:
        return 0
    try:
        return slurm.wait(number, say)
    except KeyboardInterrupt:
        raise GaveUp(f"not waited for; 'scancel {number}' ends the job") from None


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


def _submitted(path: Path, text: str) -> str:
    """Write the script and hand it over; where it is refused, leave things as they were."""
    from .. import slurm

    before = _write(path, text)
    try:
        return slurm.submit(path, _environment())
    except ConfigError:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, before)
        raise


def _write(path: Path, text: str) -> str | None:
    """Write the script, but over none that is somebody's own; return what was there."""
    from ..disk import refusal, replace
    from ..slurm.script import MARK

    before = None
    try:
        if path.exists():
            before = path.read_text(encoding="utf-8", errors="replace")
            if MARK not in before:
                raise ConfigError(
                    f"{path} is there and was not written by 'mpicode submit'; choose another "
                    "name by -o RUN.h5, whose script is RUN.sbatch"
                )
        replace(path, [text.encode()])
    except OSError as error:
        raise refusal(path, error) from None
    return before


def _environment() -> dict[str, str]:
    """Return ours, in which the job finds the mpicode that submitted it."""
    env = dict(os.environ)
    ours = str(Path(sys.executable).parent)
    if shutil.which("mpicode", path=ours):
        env["PATH"] = os.pathsep.join(filter(None, (ours, env.get("PATH"))))
    return env
