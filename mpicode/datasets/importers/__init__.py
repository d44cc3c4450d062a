"""One file per format; the formats by name, and how a name is guessed from that of a file."""

from __future__ import annotations

from pathlib import Path

from ...errors import ConfigError

FORMATS = ("csv", "idx", "npy", "npz", "svmlight")

_SUFFIXES = {
    ".csv": "csv",
    ".npy": "npy",
    ".npz": "npz",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
}


def guess_format(path: Path) -> str:
    """Return the format that the name of a file suggests, or raise `ConfigError`."""
    stem = path.name.removesuffix(".gz")
    if stem.endswith(("-ubyte", ".idx")):
        return "idx"
    try:
        return _SUFFIXES[Path(stem).suffix]
    except KeyError:
        raise ConfigError(
            f"{path}: cannot tell its format by the name; --format {'|'.join(FORMATS)} says it"
        ) from None
