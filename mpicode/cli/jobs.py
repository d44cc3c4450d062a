"""``mpicode jobs``: how the runs of a folder stand, from the scheduler and from their files."""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import say

if TYPE_CHECKING:
    from ..results import RunData
    from ..slurm.queue import Queued


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "jobs",
        help="how submitted runs stand: state, iteration, loss, estimated end",
        description="Tell how the runs of a folder stand, from SLURM, where there is one, and from "
        "their run files, which are at most output.flush_seconds old while a run goes on. The "
        "estimated end is that of run.iterations (or max_seconds) at the pace of the last 100 "
        "iterations; a target may be reached before.",
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        default=Path(),
        help="where the run files are (default: this one)",
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON on stdout")
    parser.set_defaults(command=command)


@dataclass(frozen=True)
class Row:
    """One run; None, or an empty text, where it is not known."""

    run: str
    job: str
    state: str
    iteration: int | None = None
    iterations: int | None = None
    loss: float | None = None
    seconds_per_iteration: float | None = None
    estimated_end: datetime.datetime | None = None
    time_limit: datetime.datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row for JSON; times are local, with their offset."""
        told = (self.estimated_end, self.time_limit)
        ends = [None if time is None else time.astimezone().isoformat() for time in told]
        return {**vars(self), "estimated_end": ends[0], "time_limit": ends[1]}


def command(options: argparse.Namespace) -> int:
    """Ask the scheduler, read the files, print the table."""
    from ..errors import GaveUp
    from ..results import read_runs
    from ..slurm import queue

    runs = read_runs(options.folder, say)
    try:
        jobs = queue.jobs()
    except GaveUp as error:
        say(f"{error}; only the files are known")
        jobs = None
    rows = _rows(options.folder.resolve(), runs, jobs)
    if options.json:
        print(json.dumps([row.to_json() for row in rows], indent=2))
    elif rows:
        print("\n".join(_table(rows)), file=sys.stderr)
    else:
        say(f"no runs and no jobs in {options.folder.resolve()}")
    return 0


def _rows(folder: Path, runs: list[RunData], jobs: list[Queued] | None) -> list[Row]:
    """Return a row for each run file, then one for each job of this folder that has none yet."""
    left = list(jobs or ())
    rows = []
    for run in _newest(runs):
        job = _job_of(run, left)
        if job is not None:
            left.remove(job)
        rows.append(_row(run, job, jobs is not None))
    own = [job for job in left if folder in (job.folder, job.script and job.script.parent)]
    own.sort(key=lambda job: tuple(map(int, re.findall(r"\d+", job.number))))
    alive = (job for job in own if not job.is_over)
    rows += [Row(_name(job), job.number, _waiting(job), time_limit=job.limit) for job in alive]
    # of those that have ended, the last of each run that nothing else is known of
    ended = {_name(job): job for job in own if job.is_over}
    named = {row.run for row in rows}
    return rows + [Row(n, job.number, _waiting(job)) for n, job in ended.items() if n not in named]


def _name(job: Queued) -> str:
    return job.name if job.run_file is None else job.run_file.stem


def _newest(runs: list[RunData]) -> list[RunData]:
    """Return the runs without those whose file is about to be replaced by a later run's."""
    newest: dict[Path, RunData] = {}
    for run in runs:
        path = _whole(run)
        if path not in newest or _written(run) >= _written(newest[path]):
            newest[path] = run
    return list(newest.values())


def _whole(run: RunData) -> Path:
    """Return where the run file is, or will be, when it is whole."""
    path = run.path.resolve()
    return path.with_name(path.name.removesuffix(".part"))


def _written(run: RunData) -> float:
    try:
        return run.path.stat().st_mtime
    except OSError:
        return 0.0  # it was moved into place meanwhile


def _job_of(run: RunData, jobs: list[Queued]) -> Queued | None:
    """Return the job that runs, will run or has run what is in a run file.

    One that waits goes before the one whose number is in the file: it will go on with it.
    """
    own = [job for job in jobs if job.number == run.attrs.get("job")]
    same = [job for job in jobs if job.run_file == _whole(run) and not job.is_over]
    return next(iter([job for job in own if not job.is_over] + same + own), None)


def _row(run: RunData, job: Queued | None, asked: bool) -> Row:
    from ..report import headway

    come = headway(run)
    state = _state(run, job, asked)
    end = None
    if state == "running" and come.seconds_left is not None:
        written = datetime.datetime.fromtimestamp(_written(run))
        end = written + datetime.timedelta(seconds=come.seconds_left)
        end = max(end, datetime.datetime.now())
    return Row(
        _whole(run).name.removesuffix(".h5"),
        str(run.attrs.get("job", "")) if job is None else job.number,
        state,
        come.iteration,
        come.iterations,
        come.loss,
        come.seconds_per_iteration,
        end,
        job.limit if job is not None and not job.is_over else None,
    )


def _state(run: RunData, job: Queued | None, asked: bool) -> str:
    """Return how a run stands: by its job, and where that is over, by its file."""
    from ..disk import is_locked

    is_part = run.path.name.endswith(".part")
    if job is not None and not job.is_over:
        return _waiting(job)
    if not is_part:
        return "done" if run.complete else str(run.attrs["outcome"])
    if is_locked(run.path):
        return "running"
    if job is not None:
        return f"broken off ({job.state.replace('_', ' ')})"
    # without a scheduler to ask, it may go on on another host
    known = asked or not run.attrs.get("job")
    return "broken off" if known else "not finished"


def _waiting(job: Queued) -> str:
    waits = job.state == "pending" and job.reason
    return f"{job.state} ({job.reason})" if waits else job.state.replace("_", " ")


def _table(rows: list[Row]) -> list[str]:
    from .columns import columns

    now = datetime.datetime.now()
    heads = ("run", "job", "state", "iteration", "loss", "s/iteration", "estimated end", "limit")
    cells = [
        (
            row.run,
            row.job or "-",
            row.state if len(row.state) <= 40 else f"{row.state[:37]}...",
            "-" if row.iteration is None else f"{row.iteration}/{row.iterations or '?'}",
            "-" if row.loss is None else f"{row.loss:.5g}",
            "-" if row.seconds_per_iteration is None else f"{row.seconds_per_iteration:.3g}",
            _time(row.estimated_end, now),
            _time(row.time_limit, now),
        )
        for row in rows
    ]
    return columns(heads, cells, left=3)


def _time(time: datetime.datetime | None, now: datetime.datetime) -> str:
    """Return a local time, with the day where it is not today."""
    if time is None:
        return "-"
    return f"{time:%H:%M:%S}" if time.date() == now.date() else f"{time:%Y-%m-%d %H:%M}"
