"""Compare what the approximate codes miss, at equal load, by the number of stragglers.

    python benchmarks/approximate.py [--workers 24] [--load 3] [--segments 1]
                                     [--count 300] [--seed 0]

Every scheme that promises no exact sum is built with --load copies of each block (next to them, as
a yardstick, fractional repetition, which promises load - 1). Where it has no code for so many
workers, that with the nearest number is taken and loses the same share of them. The first table is
the mean residual over all sets of s lost workers or --count random ones, the second that of the
worst set found among them and by a search of twice as many. Both in percent of what nothing at all
would miss; "." is an exact sum.
"""

from __future__ import annotations

import argparse
import time

from mpicode.codes.comparison import Candidate, at_load, mean_load
from mpicode.codes.decoder import EXACT
from mpicode.codes.tolerance import Tolerance, tolerance

YARDSTICK = "fractional-repetition"

# So far from the number of workers asked for, another one is looked for.
REACH = 4


def candidates(n_workers: int, load: int, n_segments: int, seed: int) -> list[Candidate]:
    """Return each approximate scheme at the number of workers nearest to ``n_workers``."""
    found: dict[str, Candidate] = {}
    for distance in range(REACH + 1):
        for n in dict.fromkeys((n_workers + distance, n_workers - distance)):
            if n >= max(1, load):
                for one in at_load(n, load, n_segments, seed)[0]:
                    if one.code.max_stragglers is None or one.label == YARDSTICK:
                        found.setdefault(one.label, one)
    return list(found.values())


def table(title: str, heads: list[int], rows: list[tuple[Candidate, list[float]]]) -> None:
    print(f"\n{title}")
    print(f"{'scheme':<27} {'n':>3} {'load':>5}  " + "".join(f"{s:>6}" for s in heads))
    for one, values in rows:
        cells = "".join(map(cell, values))
        n = one.code.n_workers
        print(f"{one.label:<27} {n:>3} {mean_load(one.code) / n:>5.1%}  {cells}")


def cell(residual: float) -> str:
    if residual <= EXACT:
        return f"{'.':>6}"
    percent = 100 * residual
    return f"{percent:>6.{2 if percent < 10 else 1}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=24)
    parser.add_argument("--load", type=int, default=3, help="copies of a block")
    parser.add_argument("--segments", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="sets of stragglers per number")
    parser.add_argument("--seed", type=int, default=0, help="of the codes and of the sets")
    args = parser.parse_args()
    began = time.perf_counter()
    lost = list(range(args.workers // 2 + 1))
    rows: list[tuple[Candidate, list[Tolerance]]] = []
    for one in candidates(args.workers, args.load, args.segments, args.seed):
        numbers = [round(s * one.code.n_workers / args.workers) for s in lost]
        rows.append((one, [tolerance(one.code, s, args.count, args.seed) for s in numbers]))
    middle = len(lost) // 2
    rows.sort(key=lambda row: row[1][middle].mean_residual)
    print(
        f"{args.load} copies of each block, {args.segments} segment(s), {args.count} sets, "
        f"seed {args.seed}"
    )
    title = f"residual in percent by the number of stragglers s of {args.workers}"
    table(f"mean {title}", lost, [(one, [r.mean_residual for r in found]) for one, found in rows])
    table(f"worst {title}", lost, [(one, [r.worst_residual for r in found]) for one, found in rows])
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
