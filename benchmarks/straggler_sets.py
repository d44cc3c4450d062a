"""Hold the exact codes to their promise over straggler sets, far more of them than the tests try.

    python benchmarks/straggler_sets.py [--limit 200000] [--count 20000] [--seed 0] [NAME ...]

For `partial-stragglers`, which makes up for no lost worker, the sets are of workers whose second
message is missing.

For each case every set of n_stragglers lost workers is decoded if there are at most --limit of
them; otherwise --count random ones and the sets that hurt most. Messages that did not arrive are
NaN. The errors are those of the decoded sum of random gradients relative to the true sum, with
float64 and with float32 messages (complex ones travel in double precision and show none);
"beyond" decodes with one more worker lost than promised and shows the share of sets whose residual
says so, and the worst error that it did not announce. A code that is refused is shown with what
was said. Exits with 1 if an error exceeds 1e-8, or a wrong sum was silent.
"""

from __future__ import annotations

import argparse
import sys
import time
from math import comb

import numpy as np

from mpicode import codes
from mpicode.codes.decoder import EXACT
from mpicode.codes.sets import straggler_sets
from mpicode.errors import ConfigError
from mpicode.kernels import combine

CASES = [
    ("uncoded", {"n_workers": 24}),
    *(
        ("fractional-repetition", {"n_workers": n, "n_stragglers": s, "spread": spread})
        for n, s, spread in [
            (12, 2, False),
            (20, 4, True),
            (24, 5, False),
            (30, 5, True),
            (40, 4, False),
        ]
    ),
    *(
        ("cyclic", {"n_workers": n, "n_stragglers": s})
        for n, s in [
            (6, 2),
            (8, 3),
            (12, 2),
            (12, 5),
            (13, 6),
            (16, 4),
            (20, 5),
            (24, 4),
            (24, 6),
            (24, 12),
            (30, 5),
            (40, 4),
            (40, 7),
        ]
    ),
    *(
        ("kadhe", {"n_workers": n, "replication": d, "n_segments": m})
        for n, d, m in [
            (12, 3, 2),
            (12, 4, 2),
            (12, 6, 4),
            (24, 6, 2),
            (24, 8, 4),
            (30, 10, 5),
            (30, 15, 3),
        ]
    ),
    *(
        ("ye-abbe", {"n_workers": n, "n_stragglers": s, "n_segments": m, "variant": variant})
        for variant in ("orthonormal", "gaussian", "chebyshev", "vandermonde")
        for n, s, m in [
            (8, 2, 2),
            (10, 3, 2),
            (12, 3, 3),
            (16, 4, 4),
            (20, 4, 2),
            (20, 6, 4),
            (24, 6, 4),
            (30, 5, 3),
            (30, 6, 4),
            (30, 12, 6),
        ]
    ),
    *(
        (name, {"n_workers": n, "n_stragglers": s})
        for name in ("cyclic-mds", "reed-solomon")
        for n, s in [
            (6, 2),
            (8, 3),
            (12, 5),
            (16, 4),
            (20, 5),
            (24, 6),
            (30, 5),
            (30, 10),
            (30, 15),
        ]
    ),
    *(
        ("partial-stragglers", {"n_workers": n, "n_stragglers": s})
        for n, s in [(6, 2), (12, 3), (20, 5), (30, 5)]
    ),
]

LENGTH = 4
TOLERANCE = 1e-8


class Campaign:
    """One code with random gradients, and the error of its decodings."""

    def __init__(self, code: codes.GradientCode, rng: np.random.Generator) -> None:
        self.code = code
        m, n_blocks = code.n_segments, code.n_blocks
        pieces = rng.standard_normal((m * n_blocks, LENGTH))
        self.total = pieces.reshape(m, n_blocks, LENGTH).sum(axis=1)
        self.messages = code.encoding @ pieces
        complex_ones = np.iscomplexobj(self.messages)
        self.rounded = None if complex_ones else self.messages.astype(np.float32)
        self.out = np.empty((m, LENGTH), self.messages.dtype)

    def error(self, coefficients: np.ndarray, messages: np.ndarray, lost: np.ndarray) -> float:
        """Return the relative error of the sum when the messages ``lost`` are NaN."""
        replies = messages.copy()
        replies[lost] = np.nan
        for row, out in zip(coefficients, self.out, strict=True):
            combine(row, list(replies), out)
        return float(np.linalg.norm(self.out - self.total) / np.linalg.norm(self.total))

    def run(self, sets: np.ndarray) -> np.ndarray:
        """Return error, error with float32 messages, amplification, relative residual per set."""
        rows = np.empty((len(sets), 4))
        everything = self.code.n_segments * self.code.n_blocks
        for row, lost in zip(rows, sets, strict=True):
            missing = np.isin(self.code.owner, lost)
            if self.code.n_messages > self.code.n_workers:
                missing[::2] = False
            coefficients, residual, amplification = self.code.decode(~missing)
            row[0] = self.error(coefficients, self.messages, missing)
            rounded = self.rounded
            row[1] = np.nan if rounded is None else self.error(coefficients, rounded, missing)
            row[2:] = amplification, residual / everything
        return rows


def main() -> int:
    """Run the cases and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="schemes; default: all exact ones")
    parser.add_argument("--limit", type=int, default=200_000, help="try every set up to so many")
    parser.add_argument("--count", type=int, default=20_000, help="else so many random ones")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    cases = [case for case in CASES if not args.names or case[0] in args.names]
    if not cases:
        parser.error(f"no case of {', '.join(args.names)}")
    print(
        f"{'scheme':<22} {'n':>3} {'s':>3} {'m':>3} {'sets':>8} {'':<7} {'error':>8} "
        f"{'float32':>8} {'amplif.':>8} {'residual':>8} | "
        f"{'beyond':>8} {'told':>6} {'silent':>8} {'seconds':>8}"
    )
    failed = False
    for name, parameters in cases:
        began = time.perf_counter()
        label = f"{name} {parameters.get('variant', '')}"
        try:
            code = codes.make(name, seed=args.seed, **parameters)
        except ConfigError as refusal:
            print(f"{label:<22} {parameters['n_workers']:>3} refused: {refusal}", flush=True)
            continue
        n, s = code.n_workers, code.max_stragglers or parameters.get("n_stragglers", 0)
        rng = np.random.default_rng([args.seed, n, s])
        campaign = Campaign(code, rng)
        kind = "all" if comb(n, s) <= args.limit else "sample"
        sets = straggler_sets(n, s, args.limit if kind == "all" else args.count, rng)
        worst = campaign.run(np.concatenate([sets, code.hard_sets(s)])).max(axis=0)
        more = min(args.count, 2000)
        beyond = np.concatenate([straggler_sets(n, s + 1, more, rng), code.hard_sets(s + 1)])
        outcome = campaign.run(beyond)
        exact = outcome[:, 3] <= EXACT
        silent = outcome[exact, 0].max(initial=0.0)
        failed |= bool(worst[0] > TOLERANCE or silent > TOLERANCE or exact.all())
        print(
            f"{label:<22} {n:>3} {s:>3} {code.n_segments:>3} {len(sets):>8} {kind:<7} "
            f"{worst[0]:>8.1e} {worst[1]:>8.1e} "
            f"{worst[2]:>8.3g} {worst[3]:>8.1e} | {len(beyond):>8} {1 - exact.mean():>6.1%} "
            f"{silent:>8.1e} {time.perf_counter() - began:>8.1f}",
            flush=True,
        )
    print("FAILED" if failed else f"every error is at most {TOLERANCE:.0e}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
