"""Draw the generators that `kadhe` uses, and print them as the package ships them.

    python benchmarks/kadhe_table.py > mpicode/codes/gradient/kadhe_generators.txt
    python benchmarks/kadhe_table.py --check

For each number of copies d up to 12 and of segments m up to d: of 200 random matrices (d, m) with
orthonormal columns, rounded to 6 decimals, the one whose worst choice of m rows has the least
condition number; for m = 1, 2 and d the best there is. --check compares with what is shipped,
digit for digit, and exits with 1 if they differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import resources

import numpy as np

from mpicode.codes.gradient import generators
from mpicode.codes.sets import all_sets


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "# Made by benchmarks/kadhe_table.py. A line 'd m c', c the worst condition number of m"
    yield "# rows, is followed by the d rows of the generator."
    for d in range(1, generators.TABLE_LENGTH + 1):
        for m in range(1, d + 1):
            matrix = generators.best_of(generators.DRAWS, d, m)
            worst = generators.worst_condition(matrix, all_sets(d, m))
            yield f"{d} {m} {worst:.4g}"
            for row in matrix:
                yield " ".join(np.format_float_positional(v + 0.0, trim="-") for v in row)


def main() -> int:
    """Print the table, or compare it with the one shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the table shipped")
    args = parser.parse_args()
    drawn = "".join(f"{line}\n" for line in lines())
    if not args.check:
        sys.stdout.write(drawn)
        return 0
    shipped = resources.files("mpicode.codes.gradient").joinpath(generators.TABLE)
    same = drawn == shipped.read_text(encoding="ascii")
    print("the table shipped is what is drawn" if same else "DIFFERENT from the table shipped")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
