"""A sample of `benchmarks/fuzz.py`, and that its judge finds what it is for."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_a_sample_of_damaged_files_ends_well(tmp_path):
    pytest.importorskip("xarray")
    pytest.importorskip("matplotlib")
    command = [sys.executable, BENCHMARKS / "fuzz.py", "--seed", "7", "--count", "45"]
    done = subprocess.run(
        [*command, "--limit", "60", "--keep", tmp_path / "kept"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = (
        "data, config, run, checkpoint, import, coded, sweep, checkpoint-asynchronous, "
        "checkpoint-coded"
    )
    assert f"45 cases of {kinds} with seed 7: 0 failed" in done.stdout


JUDGED = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fuzzing.server import judge

def say(text, code):
    print(text)
    return code

cases = {
    "well": lambda: say("mpicode: error: a.h5: damaged", 3),
    "fine": lambda: say("done", 0),
    "trace": lambda: 1 / 0,
    "hang": lambda: time.sleep(60),
    "crash": lambda: os.abort(),
    "bug": lambda: say("mpicode: error: x", 1),
    "silent": lambda: say("", 3),
    "two": lambda: say("mpicode: error: x\\nmpicode: error: y", 3),
    "more": lambda: say("mpicode: error: x\\nand then some", 3),
    "warning": lambda: say("RuntimeWarning: overflow", 0),
    "memory": lambda: len(bytearray(2 << 30)) and 0,
    "changed": lambda: 99,
}
for name, act in cases.items():
    print(name, judge(lambda: "damaged", act, Path(sys.argv[2]), 2.0).fault, sep=": ")
"""


def test_the_judge_finds_what_must_not_be(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", JUDGED, BENCHMARKS, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert told.pop("well") == told.pop("fine") == ""
    assert told == {
        "trace": "exit code 1",
        "hang": "not done after 2 s",
        "crash": "crashed: SIGABRT",
        "bug": "exit code 1",
        "silent": "exit code 3 with 0 error lines",
        "two": "exit code 3 with 2 error lines",
        "more": "the error is not the last line",
        "warning": "a warning of a library",
        "memory": "exit code 1",
        "changed": "a changed value, and nothing was said",
    }
