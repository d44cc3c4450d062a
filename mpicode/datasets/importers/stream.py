"""Opening the files that are imported, packed by gzip or not, with errors that name them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ...errors import DataError

BLOCK_BYTES = 1 << 22


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading ``path`` into one line that names it."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, not a file") from None
    except EOFError:
        raise DataError(f"{path}: cut short: the end of the packed data is missing") from None
    except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text: {error.reason}") from error
    except (OSError, csv.Error, RuntimeError) as error:  # the last of zipfile: encrypted, unknown
        raise DataError(f"{path}: cannot be read: {error}") from error


class Opened:
    """An input file: ``stream`` gives its unpacked bytes, ``position`` counts bytes of the file."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self.size = path.stat().st_size
        packed = self._raw.read(2) == b"\x1f\x8b"
        self._raw.seek(0)
        self._text: io.TextIOWrapper | None = None
        self.stream = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw) if packed else self._raw)

    @property
    def position(self) -> int:
        """How far into the file, packed as it is, the reading has come."""
        return self._raw.tell()

    def text(self) -> io.TextIOWrapper:
        """Return the unpacked bytes as text; a byte-order mark is skipped."""
        self._text = io.TextIOWrapper(self.stream, encoding="utf-8-sig", newline="")
        return self._text

    def close(self) -> None:
        """Close the file."""
        if self._text is not None:
            self._text.close()
        self.stream.close()
        self._raw.close()


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open ``path`` for the time of a ``with``, naming it in every error from inside."""
    with naming(path):
        file = Opened(path)
        try:
            yield file
        finally:
            file.close()


def sha256(path: Path) -> str:
    """Return the SHA-256 of the file as it lies on the disk."""
    with naming(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
