"""How long it takes to find the coefficients of a decoding.

    python benchmarks/decoding.py [--repeats 51] [--seed 0]

For two segments, with 2 %, 10 %, 25 % and 50 % of the workers missing: the coefficients as `solve`
finds them; `numpy.linalg.lstsq` on the full encoding, its rows of missing workers left out, or set
to 0 ("zeros"); `decode` of sets never met before, which adds residual and amplification; one
Cholesky factorization of a matrix of n_workers x n_workers. A repeat has some random sets of its
own; every contestant decodes all of them in a row, the contestants in random order. Shown are
medians and quartiles of ratios within a repeat; "noise" is `solve` against itself, "differ" the
largest difference from the coefficients of lstsq.
"""

import argparse
import os
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from racing import spread  # noqa: E402

from mpicode import codes  # noqa: E402

CASES = [
    ("munim-diagonal", {"n_workers": 91, "design": "bibd", "replication": 10}),
    ("munim-nullspace", {"n_workers": 91, "design": "bibd", "replication": 10}),
    ("munim-diagonal", {"n_workers": 100, "design": "srg", "load": 18}),
    ("munim-diagonal", {"n_workers": 90, "design": "coset", "load": 5, "epsilon": 0.1}),
    ("munim-diagonal", {"n_workers": 993, "design": "bibd", "replication": 32}),
    ("munim-diagonal", {"n_workers": 1000, "design": "biregular", "load": 10}),
    ("munim-diagonal", {"n_workers": 1000, "design": "coset", "load": 5, "epsilon": 0.1}),
]
SHARES = (0.02, 0.10, 0.25, 0.50)

BATCH = 10

# Above so many workers a repeat has one set, and there are few repeats.
LARGE = 500
FEW = 3


def race(code, share, repeats, batch, rng):
    """Seconds per set of each contestant in each repeat, by name, and the largest difference."""
    n = code.n_workers
    encoding = code.encoding.toarray()
    target = np.kron(np.eye(code.n_segments), np.ones((code.n_blocks, 1)))
    definite = encoding @ encoding.T + np.eye(n)
    times, differ = {}, 0.0
    for _ in range(repeats):
        sets = np.ones((batch, n), dtype=bool)
        for arrived in sets:
            arrived[rng.choice(n, round(share * n), replace=False)] = False
        present = [np.ascontiguousarray(encoding[arrived].T) for arrived in sets]
        zeros = [np.ascontiguousarray((encoding * arrived[:, None]).T) for arrived in sets]
        contestants = {
            "solve": (code.solve, sets),
            "again": (code.solve, sets),
            "lstsq": (lambda rows: np.linalg.lstsq(rows, target, rcond=None), present),
            "zeros": (lambda rows: np.linalg.lstsq(rows, target, rcond=None), zeros),
            "decode": (code.decode, sets),
            "cholesky": (np.linalg.cholesky, [definite] * batch),
        }
        results = {}
        for name in rng.permutation(list(contestants)).tolist():
            function, arguments = contestants[name]
            begin = time.perf_counter()
            results[name] = [function(each) for each in arguments]
            times.setdefault(name, []).append((time.perf_counter() - begin) / batch)
        for arrived, mine, best in zip(sets, results["solve"], results["lstsq"], strict=True):
            differ = max(differ, float(np.abs(mine[:, arrived] - best[0].T).max()))
    return {name: np.array(values) for name, values in times.items()}, differ


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=51)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name, given in CASES:
        code = codes.make(name, seed=args.seed, n_segments=2, **given)
        print(name, ", ".join(f"{key} {value}" for key, value in given.items()))
        large = code.n_workers > LARGE
        repeats, batch = (FEW, 1) if large else (args.repeats, BATCH)
        begin = time.perf_counter()
        code.solve(np.ones(code.n_workers, dtype=bool))
        print(f"  once, at the start     {1e3 * (time.perf_counter() - begin):.1f} ms")
        for share in SHARES:
            rng = np.random.default_rng([args.seed, round(100 * share)])
            times, differ = race(code, share, repeats, batch, rng)
            mine = times["solve"]
            print(
                f"  missing {share:4.0%}  solve {spread(1e6 * mine, 1)} us    "
                f"lstsq / solve {spread(times['lstsq'] / mine, 1)}    "
                f"zeros / solve {spread(times['zeros'] / mine, 1)}\n"
                f"    solve / cholesky {spread(mine / times['cholesky'])}    "
                f"decode / solve {spread(times['decode'] / mine, 1)}    "
                f"noise {spread(times['again'] / mine)}    differ {differ:.0e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
