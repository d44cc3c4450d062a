"""Damage files by seed and see that everything that reads them ends well.

    python benchmarks/fuzz.py [--seed 0] [--count 10000] [--only data] [--first 0] [--keep FOLDER]

Dataset files (dense and CSR, single and sharded), folders of coded files, configurations, sweeps,
run files, checkpoints (also of asynchronous runs and of codes over the data) and the sources of
imports get bits flipped, ranges blanked, cut or moved, wrong types and shapes, absurd sizes, NaN,
members and links gone astray, and much more; then a command reads them, in a forked child with 1 GB
of address space. It must end within --limit seconds with exit code 0, or with 2, 3 or 4 and one
line ``mpicode: error: ...``: no crash, no hang, no traceback, no warning of a library. A byte that
changed in a sealed dataset or coded file must be found by ``mpicode data check``, or change no
value.

A case that fails prints the command that repeats it, and its files are kept under --keep. Exits
with 1 if one failed.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from fuzzing.kind import Kind
from fuzzing.kinds import KINDS
from fuzzing.server import Verdict, judge

from mpicode.cli import COMMANDS

MODULES = (
    *("matplotlib.pyplot", "scipy.sparse.linalg", "xarray"),
    *(f"mpicode.{part}" for part in ("config", "report", "results", "slurm", "train")),
    *(f"mpicode.train.{part}" for part in ("arrivals", "asynchronous", "infer")),
    *(f"mpicode.cli.{command}" for command in COMMANDS),
    *("mpicode.cli.data_import", "mpicode.cli.elements"),
    *(f"mpicode.datasets.{part}" for part in ("check", "coded", "coded_info", "convert", "info")),
    *(f"mpicode.datasets.importers.{part}" for part in ("csv", "idx", "npy", "svmlight")),
)


def main() -> int:
    options = _parser().parse_args()
    names = options.only or list(KINDS)
    _load_everything()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # so that what was done is told
    began = time.monotonic()
    codes: Counter[int] = Counter()
    failed = 0
    slowest = peak = 0.0
    with tempfile.TemporaryDirectory(prefix="mpicode-fuzz-") as scratch:
        variants = {}
        for name in names:
            place = Path(scratch) / name
            place.mkdir()
            _in_child(KINDS[name](), place)
            variants[name] = sorted(place.iterdir())
        for number in range(options.first * len(names), options.first * len(names) + options.count):
            name, case = names[number % len(names)], number // len(names)
            try:
                verdict = _case(name, case, variants[name], Path(scratch), options)
            except KeyboardInterrupt:
                break
            codes[verdict.code] += 1
            slowest, peak = max(slowest, verdict.seconds), max(peak, verdict.peak_mb)
            if verdict.fault:
                failed += 1
                _tell(name, case, verdict, options)
                if failed >= options.most:
                    break
    n = codes.total()
    spent = time.monotonic() - began
    ends = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    print(
        f"{n} cases of {', '.join(names)} with seed {options.seed}: {failed} failed; exit codes "
        f"{ends}; slowest {slowest:.2f} s, most memory {peak:.0f} MB; {spent:.0f} s"
    )
    return int(failed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000, help="cases, over all kinds")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind of file")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of a kind")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds for a case")
    parser.add_argument("--most", type=int, default=20, help="stop after so many failures")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    return parser


def _load_everything() -> None:
    """Import now what the children would otherwise import again and again."""
    os.environ.update(MPLBACKEND="Agg", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    for name in MODULES:
        importlib.import_module(name)
    warnings.simplefilter("default")
    gc.collect()
    gc.freeze()


def _in_child(kind: Kind, place: Path) -> None:
    """Write the sound files in a process of their own: HDF5 does not like to be forked in use."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            kind.prepare(place)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"the files of kind {kind.name} could not be made")


def _case(
    name: str, case: int, variants: list[Path], scratch: Path, options: argparse.Namespace
) -> Verdict:
    rng = np.random.default_rng([options.seed, zlib.crc32(name.encode()), case])
    sound = variants[int(rng.integers(len(variants)))]
    # the last part of the path is the variant's, since a kind may go by it
    folder = scratch / "case" / sound.name
    shutil.copytree(sound, folder)
    kind = KINDS[name]()
    verdict = judge(
        lambda: kind.damage(rng, folder), lambda: kind.act(rng, sound), folder, options.limit
    )
    if verdict.fault:
        kept = options.keep / f"{name}-{options.seed}-{case}"
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(kept)
        (folder / "fifo").unlink(missing_ok=True)
        shutil.copytree(folder, kept, symlinks=True)
    shutil.rmtree(scratch / "case")
    return verdict


def _tell(name: str, case: int, verdict: Verdict, options: argparse.Namespace) -> None:
    print(f"FAILED {name} {case}: {verdict.fault} ({verdict.damage})")
    print(f"    files: {options.keep / f'{name}-{options.seed}-{case}'}")
    print(
        f"    again: python benchmarks/fuzz.py --seed {options.seed} --only {name} "
        f"--first {case} --count 1"
    )
    for line in verdict.said.splitlines()[-6:]:
        print(f"    | {line[:200]}")


if __name__ == "__main__":
    sys.exit(main())
