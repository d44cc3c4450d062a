"""Asynchronous runs on the digits, under the virtual clock."""

from itertools import count

import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.train import setup
from mpicode.train.asynchronous.descents import Descent

from .small import N_WORKERS


@pytest.fixture
def config(tables):
    """Tables of an asynchronous run: 6 workers, of whom some are late; and what differs."""

    def config(mode="direct", **changes):
        made = tables(
            code={"name": "lwpd", "n_segments": 13},
            run={"n_workers": 6, "iterations": 20},
            delays={"name": "shifted-exponential", "shift": 1e-3, "mean": 2e-3},
        )
        made["asynchronous"] = {"mode": mode}
        for name, table in changes.items():
            same = table.get("name") in (None, made.get(name, {}).get("name"))
            made[name] = {**(made.get(name, {}) if same else {}), **table}
        return made

    return config


@pytest.fixture
def run(config):
    return lambda *arguments, **changes: mpicode.run(config(*arguments, **changes))


@pytest.fixture
def descend(write_data, monkeypatch):
    """Run under the virtual clock; return what happened: parameters, message, age of each step."""

    files = (f"{number}.h5" for number in count())
    take = Descent.take

    def descend(loss, step_size, delay, code, n_messages=250, mode="direct", **asynchronous):
        steps = []

        def watch(descent, message, codeword, age):
            steps.append((descent.x.copy(), message, np.array(codeword), age))
            square = take(descent, message, codeword, age)
            after(descent)
            return square

        after = asynchronous.pop("after", lambda descent: None)
        monkeypatch.setattr(Descent, "take", watch)
        monkeypatch.setattr(setup.delays, "make", lambda *_, **__: delay)
        tables = {
            "data": {"path": write_data(loss.X, loss.y, next(files), n_classes=2)},
            "problem": {"name": loss.name, "intercept": False},
            "optimizer": {"name": "gradient-descent", "step_size": step_size},
            "code": {"name": "lwpd", "n_segments": 4, "weight": 2, **code},
            "run": {"n_workers": N_WORKERS, "iterations": n_messages, "record_every": 1},
            "asynchronous": {"mode": mode, **asynchronous},
        }
        result = mpicode.run(tables)
        made = codes.make(n_workers=N_WORKERS, **tables["code"])
        return result, made.encoding.toarray(), steps

    return descend
