"""Asynchronous runs on the digits, under the virtual clock."""

import pytest

import mpicode


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
