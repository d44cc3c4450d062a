"""What can go wrong, and the exit code the command line gives it.

Each error carries one line of text, in lower case, that names the file, key or worker and the two
numbers that disagree.
"""


class MpicodeError(Exception):
    """Anything mpicode raises on purpose; ``exit_code`` is what ``mpicode`` leaves with."""

    exit_code = 1
    silent: tuple[int, ...] = ()
    """Workers that did not leave when this ended the run: ``MPI_Finalize`` would wait for them."""


class ConfigError(MpicodeError, ValueError):
    """A wrong command line or configuration."""

    exit_code = 2


class DataError(MpicodeError, ValueError):
    """A data, run or checkpoint file that cannot be read or does not say what it must."""

    exit_code = 3


class GaveUp(MpicodeError, RuntimeError):
    """The run ended early and on purpose; the last good state was saved."""

    exit_code = 4


class Stopped(GaveUp):
    """A signal asked the run to save and end; it can be resumed."""


class NotDecodable(GaveUp):
    """What arrived does not determine the answer."""


class WorkerFailed(MpicodeError, RuntimeError):
    """A worker raised an exception; the text carries its rank, host and traceback."""


def said(error: OSError) -> str:
    """Return what the operating system says, to stand behind a path: ``permission denied``."""
    return (error.strerror or str(error)).lower()
