"""What stands in a run file: its columns with their units, and the words of its tables.

The one place that knows these names; the writer lays them out, the reader looks for them.
"""

from __future__ import annotations

import h5py
import numpy as np

from ..outcomes import Outcome

SCHEMA = 1

# One dataset of /iterations each: name -> (dtype, unit, description). A count that is not handed
# over is 0, any other missing number is NaN.
ITERATION_COLUMNS: dict[str, tuple[str, str, str]] = {
    "loss": ("f8", "1", "training loss at the parameters before the step"),
    "estimated_loss": (
        "f8",
        "1",
        "training loss as decoded with a data code, which only estimates it",
    ),
    "started": ("f8", "s", "start of the iteration, since the start of the run"),
    "seconds": ("f8", "s", "the whole iteration, evaluation excepted"),
    "post": ("f8", "s", "posting the requests"),
    "wait": ("f8", "s", "waiting for answers"),
    "decode": ("f8", "s", "decoding"),
    "update": ("f8", "s", "step of the optimizer"),
    "n_arrived": ("i8", "1", "messages of this iteration that arrived in time"),
    "n_stale": ("i8", "1", "messages of earlier iterations that arrived meanwhile"),
    "n_withdrawn": ("i8", "1", "requests withdrawn"),
    "n_lost": ("i8", "1", "workers lost so far"),
    "residual": ("f8", "1", "squared Frobenius norm of what the decoding misses"),
    "amplification": ("f8", "1", "what the decoding does to noise in the messages"),
    "lebesgue": (
        "f8",
        "1",
        "with a data code: what the set that arrived makes of errors of 1 in its answers",
    ),
    "shrinkage": ("f8", "1", "what the decoded sum was divided by"),
    "stepped": (
        "i8",
        "1",
        "1: the optimizer took a step, 0: nothing arrived, or a goal was reached",
    ),
    "bytes_sent": ("i8", "B", "sent by the master"),
    "bytes_received": ("i8", "B", "received by the master"),
    "test_loss": ("f8", "1", "held-out loss, NaN where not evaluated"),
    "test_accuracy": ("f8", "1", "held-out accuracy, NaN where not evaluated"),
}

COLUMNS = ("iteration", *ITERATION_COLUMNS)
MISSING = {
    name: 0.0 if dtype == "i8" else np.nan for name, (dtype, _, _) in ITERATION_COLUMNS.items()
}

# One dataset (n_iterations, n_workers) of /workers each.
WORKER_COLUMNS: dict[str, tuple[str, str, str]] = {
    "compute_seconds": ("f8", "s", "computing, as the worker measured it"),
    "delay_seconds": ("f8", "s", "injected delay"),
    "latency_seconds": ("f8", "s", "from the request to the answer, as the master measured it"),
    "arrived": ("?", "1", "the worker's answer arrived in time"),
    "corrupt": ("?", "1", "the worker's answer was found to be wrong"),
}

# /messages: ``iteration`` is the master's when the message landed, ``parameters_iteration`` the one
# whose request, and parameters, it answers, ``seconds`` when it landed, since the start of the run.
MESSAGE = np.dtype(
    [
        ("iteration", "i8"),
        ("round", "i4"),
        ("message", "i4"),
        ("worker", "i4"),
        ("parameters_iteration", "i8"),
        ("seconds", "f8"),
        ("outcome", h5py.enum_dtype({o.label: o.value for o in Outcome}, basetype="u1")),
    ]
)

EVENT = np.dtype(
    [
        ("iteration", "i8"),
        ("seconds", "f8"),
        ("worker", "i4"),  # -1: no worker in particular
        ("kind", h5py.string_dtype()),
        ("detail", h5py.string_dtype()),
    ]
)
