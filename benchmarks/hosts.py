"""Three hosts on one network, and what becomes of a run when the network, or a host, fails.

The hosts are network namespaces (root and iproute2 make them; nothing else is touched): the master
and two workers on the first, two workers on each of the others, TCP between them. `mpicode run` is
started on the first, and while it iterates something happens to one of the others:

cut for 2 s, or for ever    its cable is pulled, and put in again or not
100 ms                      whatever it sends or is sent arrives so much later, from the start on
1 Mbit/s                    it sends and is sent no faster
daemon killed               its processes are killed, mpirun's daemon first: the host crashes.
                            mpirun ends the job then, and it is resumed on all three

The columns: exit codes; iterations, the median and the worst time of one, and the watchdog's bound;
the relative distance of the parameters from those of an undisturbed run; the time from the last
iteration to the end of `mpicode run`, and from there until nothing of it is left on any host.

"needed" are cases in which the code cannot do without both workers of that host. Every case has to
end with its exit code and its parameters, each iteration within the watchdog's bound
(faults.silent_seconds and the time between two looks), itself in time, and without a process or
file left on any host, be its cable cut. Exits with 1 if a case fails, with 2 where such hosts
cannot be made.

Usage: python benchmarks/hosts.py [--seed 0] [--count 12] [--first 0] [--case NAME ...]
                                  [--limit 120]
       --count takes so many cases, in an order drawn from the seed
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from faulty import DIGITS, ROOT, Job, Scratch, distance, reference
from namespaces import Hosts, Unavailable

SLOTS = (3, 2, 2)
N_WORKERS = sum(SLOTS) - 1
PACE = 0.01  # each worker sleeps so long before it computes
TOLERANCE = 1e-10
SECONDS_TO_LOOK = 1.0  # between two looks of the pool's watchdog, at most
SLACK = 1.0  # of a machine that is busy with other things
SECONDS_TO_END = 20.0
SILENCES_TO_GIVE_UP = 10  # after which a host that is out of reach gives up, or is given up
CYCLIC = {"name": "cyclic", "n_stragglers": 2}
NEEDS_ONE = {"name": "cyclic", "n_stragglers": 1}
REPETITION = {"name": "fractional-repetition", "n_stragglers": 2}
UNCODED = {"name": "uncoded"}


class Case(NamedTuple):
    """One run: its code, what happens, and what the run has to be like then.

    wanted : how far the parameters may be from those of an undisturbed run
    events : kinds that have to be among the events, for both workers of the host
    """

    name: str
    code: dict[str, Any]
    iterations: int = 300
    silent_seconds: float = 1.0
    wanted: float = TOLERANCE
    events: tuple[str, ...] = ()

    @property
    def bound(self) -> float:
        """The longest that an iteration may take."""
        return self.silent_seconds + min(SECONDS_TO_LOOK, self.silent_seconds)


CASES = [
    Case("undisturbed", CYCLIC),
    Case("cut for 2 s", CYCLIC, 600, events=("silent", "returned")),
    Case("cut for 2 s, needed", NEEDS_ONE, 600, 6.0),
    Case("cut for ever", CYCLIC, events=("silent",)),
    Case("cut for ever, given up", CYCLIC, 1200, events=("silent", "lost")),
    Case("cut for ever, needed", NEEDS_ONE, wanted=np.inf, events=("silent",)),
    Case("100 ms", CYCLIC),
    Case("100 ms, needed", UNCODED, 30),
    Case("1 Mbit/s", CYCLIC),
    Case("1 Mbit/s, needed", UNCODED, 100),
    Case("daemon killed", CYCLIC),
    Case("daemon killed, same bits", REPETITION, wanted=0.0),
]


class Outcome(NamedTuple):
    """What is printed of a case, and what was wrong with it."""

    cells: tuple[str, ...]
    wrong: list[str]
    text: str


class Trial:
    """One case on hosts of its own."""

    def __init__(self, case: Case, seed: int, limit: float) -> None:
        self.case = case
        self._limit = limit
        rng = np.random.default_rng([seed, CASES.index(case)])
        self._host = int(rng.integers(2, len(SLOTS) + 1))  # to which it happens
        self._moment = float(rng.uniform(0.2, 0.8))  # after the iterations began
        self._scratch = Scratch()
        self._elsewhere = self._scratch.folder / "elsewhere"
        self._elsewhere.mkdir()
        self._config = DIGITS["write_config"](
            self._scratch.folder,
            code=case.code,
            run={"n_workers": N_WORKERS, "iterations": case.iterations, "seed": seed},
            delays={"name": "fixed", "slow_workers": list(range(N_WORKERS)), "seconds": PACE},
            faults={
                "silent_seconds": case.silent_seconds,
                # a code made anew sums in another order
                "when_lost": "restore" if case.wanted else "approximate",
            },
            output={"flush_seconds": 0.5},
            checkpoint={"every": 10},
        )
        self._output = self._config.with_suffix(".h5")
        self._checkpoints = self._config.with_suffix(".checkpoints")

    def go(self) -> Outcome:
        """Carry it out."""
        latency = {self._host: 0.1} if "100 ms" in self.case.name else {}
        login = {"PYTHONPATH": str(ROOT), "TMPDIR": str(self._elsewhere)}
        try:
            with Hosts(len(SLOTS), latency, login) as hosts:
                return self._watch(hosts)
        finally:
            self._scratch.remove()

    def _watch(self, hosts: Hosts) -> Outcome:
        case, job = self.case, self._start(hosts)
        codes, wrong, text = [], [], ""
        try:
            self._strike(hosts, job)
            codes.append(job.wait(self._limit))
            ended = time.monotonic()
            text = job.text
            if "daemon" in case.name:
                stopped = self._config.with_name("stopped.h5")
                if self._output.exists():
                    shutil.copy(self._output, stopped)
                job.kill()
                job = self._start(hosts, "--resume")
                codes.append(job.wait(self._limit))
                ended = time.monotonic()
                wrong += self._stopped(stopped, codes[0], text, job.text)
                text += "\n" + job.text
            if codes[-1] != 0:
                return Outcome((), [*wrong, f"exit code {codes[-1]}"], text)
            said = next(at for at, line in job.lines if " iterations done" in line)
            if ended - said > SECONDS_TO_END:
                wrong.append(f"{ended - said:.0f} s from the last iteration to the end")
            left, behind = self._remains(hosts, job)
            (*cells, events), more = self._read(codes)
            end = f"{ended - said:.1f}", f"{left:.1f}"
            return Outcome((*cells, *end, events), wrong + behind + more, text)
        finally:
            job.kill()

    def _start(self, hosts: Hosts, *arguments: str) -> Job:
        variables = {
            "PRTE_MCA_plm_ssh_agent": hosts.agent,
            "PRTE_MCA_prte_default_hostfile": hosts.hostfile(SLOTS),
        }
        return Job(self._config, self._scratch, *arguments, before=hosts.on(1), variables=variables)

    def _strike(self, hosts: Hosts, job: Job) -> None:
        """Let happen what the case is about, at its moment."""
        name, host = self.case.name, self._host
        while not any(self._checkpoints.glob("*.h5")):
            if not job.listen(0.02) or time.monotonic() - job.started > self._limit:
                return
        job.listen(self._moment)
        if name.startswith("cut"):
            hosts.cut(host)
            if "2 s" in name:
                job.listen(2.0)
                hosts.mend(host)
        elif name.startswith("1 Mbit/s"):
            hosts.limit(host, "1mbit", both_ways=True)
        elif name.startswith("daemon"):
            hosts.crash(host)

    @staticmethod
    def _stopped(output: Path, code: int | None, text: str, again: str) -> list[str]:
        """Return what is wrong with a run that lost a host; the resumed one said ``again``."""
        from mpicode.results import read_run

        wrong = [] if code == 4 else [f"exit code {code} at the loss of a host, wants 4"]
        n_errors = text.count("mpicode: error: ")
        if n_errors != 1 or "Traceback" in text:
            wrong.append(f"{n_errors} lines say what is wrong")
        if not output.exists():
            return [*wrong, "the state at the loss was not saved"]
        made = read_run(output)
        if made.complete or made.n_iterations == 0:
            wrong.append(f"stopped after {made.n_iterations} iterations, complete: {made.complete}")
        kept = f"goes on with iteration {made.n_iterations} from "
        return wrong if kept in again else [*wrong, f"the resumed run did not say: {kept}"]

    def _remains(self, hosts: Hosts, job: Job) -> tuple[float, list[str]]:
        """Return how long the hosts took to become empty, and what is left on them."""
        began = time.monotonic()
        patience = SILENCES_TO_GIVE_UP * self.case.silent_seconds + SECONDS_TO_END
        while (left := hosts.processes()) and time.monotonic() - began < patience:
            time.sleep(0.05)
        seconds = time.monotonic() - began
        behind = [f"process {pid}" for pid in left] + job.remains()
        if "daemon" in self.case.name:
            # its host has crashed, with all it had
            address = hosts.address(self._host)
            behind = [each for each in behind if f".{address}." not in each]
        else:
            behind += map(str, self._elsewhere.rglob("*"))
        return seconds, [f"left behind: {each}" for each in behind]

    def _read(self, codes: list[int | None]) -> tuple[tuple[str, ...], list[str]]:
        """Return what is printed of the run file, and what is wrong with it."""
        from mpicode.results import read_run

        case, made = self.case, read_run(self._output)
        wrong = []
        if not made.complete or made.n_iterations != case.iterations:
            wrong.append(f"{made.n_iterations} iterations, complete: {made.complete}")
        seconds = made.iterations["seconds"]
        if seconds.max() > case.bound + SLACK:
            wrong.append(f"an iteration of {seconds.max():.2f} s, bound {case.bound:g} s")
        whose = self._workers()
        for kind in case.events:
            met = {int(event["worker"]) for event in made.events if event["kind"] == kind}
            if not whose <= met:
                wrong.append(f"workers {sorted(whose - met)} are not told to be {kind}")
        assert made.parameters is not None
        off = distance(made.parameters, reference(self._config))
        if off > case.wanted:
            wrong.append(f"parameters are {off:.1e} away from those without faults")
        kinds = Counter(str(event["kind"]) for event in made.events)
        del kinds["checkpoint"]
        cells = (
            ", ".join(map(str, codes)),
            str(made.n_iterations),
            f"{1e3 * np.median(seconds):.0f}",
            f"{seconds.max():.2f}",
            f"{case.bound:g}",
            "0" if off == 0.0 else f"{off:.0e}",
            ", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "none",
        )
        return cells, wrong

    def _workers(self) -> set[int]:
        """Return the workers on the host to which it happens."""
        first = sum(SLOTS[: self._host - 1])
        return {rank - 1 for rank in range(first, first + SLOTS[self._host - 1])}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help="cases, in an order drawn from the seed")
    parser.add_argument("--first", type=int, default=0, help="place of the first of these")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one run")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the cases to try."""
    if options.case:
        return [case for case in CASES if case.name in options.case]
    if options.count is None:
        return CASES[options.first :]
    order = np.random.default_rng(options.seed).permutation(len(CASES))
    return [CASES[i] for i in order[options.first :][: options.count]]


# The head of the table, and how wide its columns are.
COLUMNS = {
    "case": 25,
    "exit": 6,
    "iterations": 12,
    "median ms": 11,
    "worst s": 9,
    "bound s": 9,
    "away by": 10,
    "end s": 7,
    "empty s": 9,
    "events": 0,
}


def row(cells: Iterable[str]) -> str:
    """Return one line of the table."""
    pairs = zip(cells, COLUMNS.values(), strict=False)
    return "".join(f"{cell:<{width}}" for cell, width in pairs).rstrip()


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the hosts are taken down then too
    failed = 0
    print(row(COLUMNS), flush=True)
    for case in chosen(options):
        try:
            outcome = Trial(case, options.seed, options.limit).go()
        except Unavailable as error:
            print(f"hosts: cannot be made here: {error}", file=sys.stderr)
            return 2
        print(row((case.name, *outcome.cells)), flush=True)
        if outcome.wrong:
            failed += 1
            print(f"  FAILED: {'; '.join(outcome.wrong)}")
            print(f"  {outcome.text.replace(chr(10), chr(10) + '  ')}")
            print(
                f"  again: python benchmarks/hosts.py --seed {options.seed} --case '{case.name}'",
                flush=True,
            )
    print(f"{failed} of {len(chosen(options))} cases failed (seed {options.seed})")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
