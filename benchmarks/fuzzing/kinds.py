"""What is damaged, by name."""

from __future__ import annotations

from .checkpoints import AsynchronousCheckpoint, CheckpointFile, CodedCheckpoint
from .coded import CodedFiles
from .configurations import Configuration, SweepFile
from .datasets import Data, Import
from .kind import Kind
from .runs import RunFile

KINDS: dict[str, type[Kind]] = {
    kind.name: kind
    for kind in (
        Data,
        Configuration,
        RunFile,
        CheckpointFile,
        Import,
        CodedFiles,
        SweepFile,
        AsynchronousCheckpoint,
        CodedCheckpoint,
    )
}
