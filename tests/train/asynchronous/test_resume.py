"""An asynchronous run that goes on from a checkpoint does so with nothing under way."""

import dataclasses
import re

import numpy as np
import pytest

import mpicode
from mpicode.errors import ConfigError, DataError
from mpicode.problems.layered import LayeredProblem
from mpicode.results import read_checkpoint, read_run
from mpicode.results.checkpoint import front, to_bytes


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        ("direct", {}),
        ("direct", {"asynchronous": {"messages_per_step": 4, "ask": "after-step"}}),
        ("direct", {"asynchronous": {"downlink": "updates"}}),
        ("direct", {"optimizer": {"name": "adam", "step_size": 0.01}}),
        ("direct", {"asynchronous": {"even": True, "rows": "fixed"}}),
        ("memory", {}),
        ("memory", {"asynchronous": {"decoder": "kalman"}}),
        ("memory", {"code": {"name": "lwpd", "n_segments": 5, "n_blocks": 2, "load": 2}}),
        ("sega", {"optimizer": {"step_size": 0.02}}),
        ("round", {}),
        ("round", {"asynchronous": {"decoder": "ortho"}}),
    ],
)
def test_a_run_that_was_ended_goes_on_bit_by_bit(config, tmp_path, mode, changes):
    table = {"mode": mode, **changes.get("asynchronous", {})}
    rest = {key: value for key, value in changes.items() if key != "asynchronous"}
    run = {"iterations": 12, "batch_size": 600, "record_every": 7}
    if mode == "round":
        del run["record_every"]

    def job(name, iterations):
        made = config(mode, **rest, run={**run, "iterations": iterations})
        output = {"path": str(tmp_path / f"{name}.h5")}
        return {
            **made,
            "asynchronous": table,
            "output": output,
            "checkpoint": {"every": 4, "keep": 9},
        }

    whole = mpicode.run(job("whole", 12))
    seen = []

    class Stop:
        def iteration(self, columns, workers):
            seen.append(columns["iteration"])

    # killed within iteration 10: the checkpoint of iteration 8 is the last
    with pytest.raises(ZeroDivisionError):
        mpicode.run(job("broken", 12), recorders=[Stop()], interrupted=lambda: fail(seen))
    for file in (tmp_path / "broken.checkpoints").glob("*.h5"):
        # what it wrote as it died would not be there
        if read_checkpoint(file).iteration > 8:
            file.unlink()
    again = mpicode.run(job("broken", 12), resume=True)
    assert again.parameters.tobytes() == whole.parameters.tobytes()
    for name in ("loss", "started", "n_arrived", "bytes_received"):
        np.testing.assert_array_equal(again.history[name], whole.history[name])
    ours, theirs = (read_run(tmp_path / f"{name}.h5") for name in ("broken", "whole"))
    np.testing.assert_array_equal(ours.messages, theirs.messages)


@pytest.mark.parametrize("mode", ["memory", "round"])
def test_light_messages_before_the_checkpoint_are_not_computed_again(
    config, tmp_path, monkeypatch, mode
):
    def job(name, iterations):
        output = {"path": str(tmp_path / f"{name}.h5")}
        run = {"iterations": iterations, "batch_size": 600}
        return config(mode, output=output, run=run, checkpoint={"every": 1})

    computed = []
    whole = LayeredProblem.coded_gradient

    def counted(self, *arguments, **more):
        computed.append(1)
        return whole(self, *arguments, **more)

    monkeypatch.setattr(LayeredProblem, "coded_gradient", counted)
    mpicode.run(job("whole", 12))
    n_whole = len(computed)
    mpicode.run(job("short", 10))
    computed.clear()
    mpicode.run(job("short", 12), resume=True)
    assert 0 < len(computed) < n_whole * 4 / 12


def fail(seen):
    return bool(seen and seen[-1] >= 9 and 1 / 0)


def test_another_mode_is_another_run(config, tmp_path):
    output = {"path": str(tmp_path / "run.h5")}
    run = {"iterations": 3}
    mpicode.run(config("direct", output=output, run=run))
    with pytest.raises(ConfigError, match=r"asynchronous\.mode: 'memory', but .* 'direct'"):
        mpicode.run(config("memory", output=output, run={"iterations": 6}), resume=True)


@pytest.mark.parametrize(
    ("mode", "key", "value", "says"),
    [
        ("direct", "version", None, "asynchronous.version is missing, wants a number"),
        ("direct", "version", np.array(-1), "asynchronous.version is -1, wants a number from 0"),
        ("direct", "waiting", np.array(4), "asynchronous.waiting is 4, wants a number from 0 to 3"),
        ("direct", "waiting", np.zeros(2), "asynchronous.waiting is float64 (2,), wants a number"),
        ("direct", "gradient", None, "asynchronous.gradient is missing, wants floats (13, 50)"),
        ("direct", "gradient", np.zeros(3), "asynchronous.gradient is float64 (3,), wants floats"),
        ("memory", "estimate", None, "'estimate' is missing, wants floats (13, 50)"),
        ("memory", "estimate", np.zeros((13, 50), int), "'estimate' is int64 (13, 50), wants"),
    ],
)
def test_what_a_checkpoint_kept_is_looked_at(config, tmp_path, mode, key, value, says):
    run = {"iterations": 3}
    table = {"mode": mode, "messages_per_step": 4}
    changes = {"asynchronous": table, "output": {"path": str(tmp_path / "run.h5")}}
    mpicode.run(config(run=run, **changes))
    newest = max((tmp_path / "run.checkpoints").glob("*.h5"))
    checkpoint = read_checkpoint(newest)
    kept = {**checkpoint.optimizer, f"asynchronous.{key}": value}
    if value is None:
        del kept[f"asynchronous.{key}"]
    rest = to_bytes(dataclasses.replace(checkpoint, optimizer=kept))
    newest.write_bytes(front(rest) + bytes(rest))
    with pytest.raises(DataError, match=re.escape(says)):
        mpicode.run(config(run={"iterations": 6}, **changes), resume=True)
