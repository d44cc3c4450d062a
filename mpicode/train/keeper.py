"""What a run has to do with checkpoints: where it begins, and who keeps its state."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..results import RunData, RunWriter
from . import resume
from .checkpoints import Checkpoints, Identity, NoCheckpoints, State
from .common import Common
from .loop import Result


class Keeper:
    """Finds out at the start of a run where it goes on, and tells it to ``say``.

    clock : "real" or "virtual", the one that the run goes by
    again : whether to go on from a checkpoint

    Raises what `resume.find` does, and `DataError` where another run has the folder.
    """

    def __init__(self, setup: Common, clock: str, again: bool, say: Callable[[str], None]) -> None:
        self._setup = setup
        self._say = say
        self._facts = {**resume.facts(setup), "clock": clock}
        self._folder = resume.folder_of(setup.config)
        if self._folder is not None:
            self._folder.claim()
        try:
            self._from = resume.find(self._facts, self._folder) if again else None
        except BaseException:
            self.close()
            raise
        if self._from is not None:
            self._created = self._from.checkpoint.created
        else:
            self._created = datetime.datetime.now(datetime.UTC).isoformat()
        self._tell(again)

    def close(self) -> None:
        """Let other runs have the folder."""
        if self._folder is not None:
            self._folder.release()

    def _tell(self, again: bool) -> None:
        if self._folder is None:
            return
        if self._from is not None:
            for note in self._from.notes:
                self._say(note)
            if self.finished is None:
                n = self._from.checkpoint.iteration
                self._say(f"goes on with iteration {n} from {self._from.path}")
        elif again:
            self._say(f"no checkpoint in {self._folder.path}: begins with iteration 0")
        else:
            try:
                left = self._folder.newest()
            except DataError:
                return
            if left is not None and not left[1].complete:
                self._say(
                    f"{left[0]} is of a run that did not come to its end; --resume would go on "
                    "from there, the first checkpoint of this run will replace it"
                )

    @cached_property
    def state(self) -> State:
        """Where the run begins."""
        optimizer = self._setup.optimizer()
        if self._from is None:
            return State(self._setup.initial(), optimizer)
        checkpoint = self._from.checkpoint
        n = checkpoint.iteration
        more = {k: v for k, v in checkpoint.optimizer.items() if "." in k}
        optimizer.restore({k: v for k, v in checkpoint.optimizer.items() if k not in more})
        history = checkpoint.history(n)
        return State(
            checkpoint.parameters.copy(), optimizer, n, checkpoint.seconds, history, more=more
        )

    @cached_property
    def finished(self) -> Result | None:
        """The result, where there is nothing to do."""
        if self._from is None:
            return None
        config, checkpoint = self._setup.config, self._from.checkpoint
        why = resume.nothing_to_do(config, checkpoint)
        if why is None:
            return None
        answer = np.array(self.state.optimizer.answer(self.state.x), dtype=np.float64)
        path = None if config.output.path is None else Path(config.output.path)
        result = Result(answer, why, True, checkpoint.history(), path=path)
        del result.history["iteration"]
        return result

    @property
    def goes_through(self) -> bool:
        """Whether the times before the checkpoint can be gone through again."""
        if self._from is None or self.finished is not None:
            return False
        return resume.same_times(self._setup.config, self._facts, self._from.checkpoint)

    def check_time(self, now: float) -> None:
        """Say if the virtual clock did not come to where the checkpoint was written."""
        if not math.isclose(now, self.state.seconds, rel_tol=1e-12):
            self._say(
                f"the virtual clock is at {now:g} s where the checkpoint has "
                f"{self.state.seconds:g} s: delays were not the same all along, so last bits may "
                "differ from those of a run without a break"
            )

    def run_file(
        self, path: str, attrs: Mapping[str, Any], code: Mapping[str, Any], n_workers: int
    ) -> RunWriter:
        """Return the writer of the run file, which begins with what is known from before.

        code : arrays of the code in use; a resumed run may have it in the file already
        """
        config = self._setup.config
        earlier = None
        if self._from is not None:
            earlier = resume.earlier(config, self._from.checkpoint)
        writer = RunWriter(
            path,
            {**attrs, "created": self._created},
            n_workers,
            config.output.flush_seconds,
            earlier,
        )
        n = self.state.iteration
        if not (earlier and earlier.codes and _same_code(earlier.codes[-1], code)):
            writer.code(code, n)
        if earlier is not None:
            self._tell_resumed(writer, earlier)
        return writer

    def _tell_resumed(self, writer: RunWriter, earlier: RunData) -> None:
        assert self._from is not None
        state, missing = self.state, earlier.attrs["missing"]
        detail = f"from {self._from.path}"
        if missing:
            lost = (
                f"workers and messages of {missing} of the {state.iteration} iterations before "
                "are in no run file"
            )
            self._say(lost)
            detail += f"; {lost}"
        writer.event(state.iteration, state.seconds, -1, "resumed", detail)

    def checkpoints(self, clock: Callable[[], float], writer: RunWriter | None) -> NoCheckpoints:
        """Return who keeps the state of the run from here on."""
        if self._folder is None:
            return NoCheckpoints()
        config = self._setup.config
        identity = Identity(self._created, config.to_toml(), self._facts)
        rows = None
        if self._from is not None:
            self._folder.adopt(self._from.path)
            rows = self._from.checkpoint.rows[: self.state.iteration]
        return Checkpoints(
            self._folder, config.checkpoint, identity, clock, writer, self._say, self.state, rows,
            exactly=self._facts["clock"] == "virtual",
        )  # fmt: skip


def _same_code(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether the arrays of two codes say the same, over the same workers."""
    for name in ("encoding", "owner", "workers", "storage"):
        ours, theirs = one.get(name), other.get(name)
        if ours is None or theirs is None:
            if ours is not theirs:
                return False
        elif ours.shape != theirs.shape or (ours != theirs).sum():
            return False
    return True
