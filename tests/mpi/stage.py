"""The test's side of ``programs/watched.py``, a problem that can be held, or made to fail."""

import shutil
from pathlib import Path

PROGRAM = Path(__file__).parent / "programs" / "watched.py"


class Stage:
    """Holds the problem at a point, lets it go on, makes it fail there, knows its pids.

    The points are those of ``programs/watched.py``; what both sides tell each other are files.
    """

    name = "watched:Watched"

    def __init__(self, folder):
        shutil.copy(PROGRAM, folder)
        self._folder = folder / "stage"
        self._folder.mkdir()

    def hold(self, what, rank, call=0):
        """Have ``rank`` wait in its next ``what``, not before its ``call``-th.

        A rank that is held at an earlier one goes on.
        """
        self._say(f"hold-{what}-{rank}", call)

    def held(self, what, rank, call=0):
        """Return a function that tells whether ``rank`` has come to wait there."""

        def held():
            told = self._folder / f"held-{what}-{rank}"
            return told.exists() and int(told.read_text() or -1) >= call

        return held

    def release(self, what, rank):
        """Let ``rank`` go on."""
        (self._folder / f"hold-{what}-{rank}").unlink()

    def fail(self, what, rank, call=0, how="raise"):
        """Have ``rank`` raise an exception in its next ``what``; ``how``: or exit, or vanish."""
        self._say(f"{how}-{what}-{rank}", call)

    def failed(self):
        """Return whether that has happened."""
        return (self._folder / "failed").exists()

    def failed_at(self):
        """Return when, on `time.monotonic`."""
        return float((self._folder / "failed").read_text())

    def limit_files(self, rank, n_bytes):
        """Have the system refuse ``rank`` files of more than ``n_bytes``."""
        self._say(f"largest-file-{rank}", n_bytes)

    def pid(self, rank):
        return int((self._folder / f"pid-{rank}").read_text())

    def _say(self, name, number):
        # whole at once: the other side looks at any time
        (self._folder / "draft").write_text(str(number))
        (self._folder / "draft").rename(self._folder / name)
