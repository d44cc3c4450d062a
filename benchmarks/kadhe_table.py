"""Draw the generators that `kadhe` uses, and print them as the package ships them.

    python benchmarks/kadhe_table.py > mpicode/codes/gradient/kadhe_generators.txt
    python benchmarks/kadhe_table.py --check

For each number of copies d up to 12 and of segments m up to d: of 200 random matrices (d, m) with
orthonormal columns the one whose worst choice of m rows has the least condition number, then made
better by small random changes and rounded to 6 decimals; for m = 1, 2 and d the best there is.
--check compares with what is shipped, digit for digit, and exits with 1 if they differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import resources

import numpy as np

from mpicode.codes.gradient import generators as table
from mpicode.codes.sets import all_sets

# Changes tried for each matrix, and the size of the first and the last.
CHANGES = 600
FIRST, LAST = 0.3, 0.003


def improved(matrix: np.ndarray) -> np.ndarray:
    """Keep each of a number of shrinking random changes that lowers the worst condition."""
    d, m = matrix.shape
    sets, rng = all_sets(d, d - m), np.random.default_rng([d, m])
    best = table.conditions(matrix, sets).max()
    for size in np.geomspace(FIRST, LAST, CHANGES):
        changed = table.rounded(table.scaled(matrix + size * rng.standard_normal((d, m))))
        worst = table.conditions(changed, sets).max()
        if worst < best * (1 - 1e-6):
            matrix, best = changed, worst
    return matrix


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "# Made by benchmarks/kadhe_table.py. A line 'd m c', c the worst condition number of m"
    yield "# rows, is followed by the d rows of the generator."
    for d in range(1, table.TABLE_LENGTH + 1):
        for m in range(1, d + 1):
            matrix = table.best_of(table.DRAWS, d, m)
            if 2 < m < d:
                matrix = improved(matrix)
            yield f"{d} {m} {table.conditions(matrix, all_sets(d, d - m)).max():.4g}"
            for row in matrix:
                yield " ".join(np.format_float_positional(v, trim="-") for v in row)


def main() -> int:
    """Print the table, or compare it with the one shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the table shipped")
    args = parser.parse_args()
    drawn = "".join(f"{line}\n" for line in lines())
    if not args.check:
        sys.stdout.write(drawn)
        return 0
    shipped = resources.files("mpicode.codes.gradient").joinpath(table.TABLE)
    same = drawn == shipped.read_text(encoding="ascii")
    print("the table shipped is what is drawn" if same else "DIFFERENT from the table shipped")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
