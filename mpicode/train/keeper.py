"""What a run has to do with checkpoints: where it begins, and who keeps its state."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import cached_property

import numpy as np

from ..results import RunData, RunWriter
from . import resume
from .checkpoints import Checkpoints, Identity, NoCheckpoints, State
from .loop import Result
from .setup import Setup


class Keeper:
    """Finds out at the start of a run where it goes on.

    clock : "real" or "virtual", the one that the run goes by
    again : whether to look for a checkpoint

    Raises what `resume.find` does, and `DataError` where another run has the folder.
    """

    def __init__(self, setup: Setup, clock: str, again: bool, say: Callable[[str], None]) -> None:
        self._setup = setup
        self._clock = clock
        self._say = say
        self._folder = resume.folder_of(setup.config)
        if self._folder is not None:
            self._folder.claim()
        try:
            self._from = resume.find(setup, self._folder) if again else None
        except BaseException:
            self.close()
            raise
        if self._from is not None:
            self.created = self._from.checkpoint.created
        else:
            self.created = datetime.datetime.now(datetime.UTC).isoformat()
        self._tell(again)

    def _tell(self, again: bool) -> None:
        if self._from is None:
            if again and self._folder is not None:
                self._say(f"no checkpoint in {self._folder.path}: begins with iteration 0")
            return
        for note in self._from.notes:
            self._say(note)
        if self.finished is None:
            n = self._from.checkpoint.iteration
            self._say(f"goes on with iteration {n} from {self._from.path}")

    @cached_property
    def state(self) -> State:
        """Where the run begins."""
        optimizer = self._setup.optimizer()
        if self._from is None:
            return State(self._setup.initial(), optimizer)
        checkpoint = self._from.checkpoint
        n = checkpoint.iteration
        optimizer.restore(checkpoint.optimizer)
        return State(checkpoint.parameters, optimizer, n, checkpoint.seconds, checkpoint.history(n))

    @cached_property
    def finished(self) -> Result | None:
        """The result, where there is nothing to do."""
        if self._from is None:
            return None
        config, checkpoint = self._setup.config, self._from.checkpoint
        why = resume.nothing_to_do(config, self._from)
        if why is None:
            return None
        answer = np.array(self.state.optimizer.answer(self.state.x), dtype=np.float64)
        result = Result(answer, why, True, checkpoint.history())
        del result.history["iteration"]
        return result

    @cached_property
    def earlier(self) -> RunData | None:
        """What the run file begins with."""
        if self._from is None:
            return None
        return resume.earlier(self._setup.config, self._from.checkpoint)

    @property
    def is_new_code(self) -> bool:
        """Whether the run file does not have the code in use yet."""
        if self.earlier is None or not self.earlier.codes:
            return True
        owner = self.earlier.codes[-1].get("owner")
        return owner is None or len(owner) != self._setup.code.n_messages

    @property
    def goes_through(self) -> bool:
        """Whether the times before the checkpoint can be gone through again."""
        if self._from is None or self.finished is not None or self._clock != "virtual":
            return False
        return resume.same_times(self._setup.config, self._from.checkpoint)

    def check_time(self, now: float) -> None:
        """Say if the virtual clock did not come to where the checkpoint was written."""
        if self._from is not None and now != self._from.checkpoint.seconds:
            self._say(
                f"run time is {now:g} s, {self._from.path} was written at "
                f"{self._from.checkpoint.seconds:g} s: delays were not the same all along, so the "
                "last bits will differ from those of a run without a break"
            )

    def checkpoints(self, clock: Callable[[], float], writer: RunWriter | None) -> NoCheckpoints:
        """Return who keeps the state of the run from here on."""
        if self._folder is None:
            return NoCheckpoints()
        config = self._setup.config
        facts = {**resume.facts(self._setup), "clock": self._clock}
        identity = Identity(self.created, config.to_toml(), facts)
        rows = None
        if self._from is not None:
            self._folder.adopt(self._from.path)
            rows = self._from.checkpoint.rows[: self.state.iteration]
            self._note_resumed(writer)
        return Checkpoints(
            self._folder, config.checkpoint, identity, clock, writer, self._say, self.state, rows
        )

    def close(self) -> None:
        """Let other runs have the folder."""
        if self._folder is not None:
            self._folder.release()

    def _note_resumed(self, writer: RunWriter | None) -> None:
        if writer is None or self._from is None or self.earlier is None:
            return
        detail = f"from {self._from.path}"
        missing = self.earlier.attrs["missing"]
        if missing:
            detail += f"; of {missing} iterations before it only /iterations is known"
            self._say(
                f"{missing} of {self.state.iteration} iterations before the checkpoint are in no "
                f"run file: workers and messages of these are not known"
            )
        writer.event(self.state.iteration, self.state.seconds, -1, "resumed", detail)
