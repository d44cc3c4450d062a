"""How fast a dataset is encoded for a code over the data, and in how much memory.

    python benchmarks/encode_dataset.py [--gigabytes 4] [--features 1000] [--workers 8]
        [--blocks 4] [--masks 0] [--orders none path] [--repeats 3] [--folder DIR]

A float32 dataset with 10 classes is made once. `mpicode data encode` is held against a copy of the
same bytes: one process that reads the dataset file from end to end and writes as many files of the
same size as the encoding has, in pieces of 16 MB. Both start with the dataset on the disk, not in
memory, and are done when what they wrote is on the disk. In each repeat every contestant runs once,
in turn, as a process of its own; ratios are taken within a repeat, and "again" is the copy against
itself, the noise. Bytes per second count what is read and what is written.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PIECE = 1 << 24


def make_dataset(path, n_rows, n_features):
    from mpicode.datasets import DatasetWriter, Meta, Shape

    rng = np.random.default_rng(0)
    centres = rng.standard_normal((10, n_features), dtype=np.float32)
    step = max((1 << 26) // (4 * n_features), 1)
    with DatasetWriter(path, Shape(n_rows, n_features, "float32"), Meta("multiclass", 10)) as file:
        for start in range(0, n_rows, step):
            n = min(step, n_rows - start)
            y = rng.integers(0, 10, n)
            file.append(rng.standard_normal((n, n_features), dtype=np.float32) + centres[y], y)


def copy(source, folder, sizes):
    """Read one file and write others, of ``sizes`` bytes, a piece of each in turn."""
    folder.mkdir()
    piece = bytearray(PIECE)
    files = [(folder / str(i)).open("wb", buffering=0) for i in range(len(sizes))]
    left = list(sizes)
    share = max(left) / source.stat().st_size
    with source.open("rb", buffering=0) as read:
        while n := read.readinto(piece):
            for i, file in enumerate(files):
                wanted = min(int(n * share) + 1, left[i])
                for at in range(0, wanted, n):
                    file.write(memoryview(piece)[: min(n, wanted - at)])
                left[i] -= wanted
    for file in files:
        os.fsync(file.fileno())
        file.close()


def forget(path):
    """Take a file out of the memory of the operating system."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(words, source, out):
    """Return seconds and peak memory, in MB, of this program as another process."""
    forget(source)
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--child", *map(str, words)],
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - begin, float(done.stdout)


def child(words):
    kind, source, out, *rest = words
    if kind == "copy":
        copy(Path(source), Path(out), [int(size) for size in rest])
    else:
        from mpicode.cli import main

        error = main(["data", "encode", source, "-o", out, *rest])
        if error:
            sys.exit(error)
    # not ru_maxrss, which begins with what the parent had
    status = Path("/proc/self/status").read_text()
    print(float(status.partition("VmHWM:")[2].split()[0]) / 1e3)


def spread(values, digits=2):
    return f"{np.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--features", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--masks", type=int, default=0)
    parser.add_argument("--orders", nargs="+", default=["none", "path"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files lie meanwhile")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        source, out = Path(name) / "data.h5", Path(name) / "out"
        make_dataset(source, int(args.gigabytes * 1e9 / 4 / args.features), args.features)
        words = ["--code", "berrut", "--workers", args.workers]
        words += ["--set", f"n_blocks={args.blocks}", "--set", f"n_colluding={args.masks}"]
        contestants = {
            f"encode, order {order}": ["encode", source, out, *words, "--order", order]
            for order in args.orders
        }
        timed(next(iter(contestants.values())), source, out)
        sizes = [file.stat().st_size for file in sorted(out.glob("worker-*.h5"))]
        total = source.stat().st_size + sum(sizes)
        contestants |= {key: ["copy", source, out, *sizes] for key in ("copy", "again")}
        print(
            f"{source.stat().st_size / 1e9:.2f} GB read, {sum(sizes) / 1e9:.2f} GB written "
            f"in {len(sizes)} files"
        )
        seconds = {key: [] for key in contestants}
        memory = dict.fromkeys(contestants, 0.0)
        names = list(contestants)
        for repeat in range(args.repeats):
            for key in names[repeat % len(names) :] + names[: repeat % len(names)]:
                took, peak = timed(contestants[key], source, out)
                seconds[key].append(took)
                memory[key] = max(memory[key], peak)
        for key, taken in seconds.items():
            speeds = total / 1e9 / np.array(taken)
            ratio = np.array(seconds["copy"]) / np.array(taken)
            print(
                f"{key:20} {spread(taken, 1)} s   {spread(speeds)} GB/s   "
                f"speed / copy {spread(ratio)}   peak memory {memory[key]:.0f} MB"
            )


if __name__ == "__main__":
    main()
