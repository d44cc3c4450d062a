"""What a dataset file is, in a few lines or as JSON."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from .reader import open_dataset


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the facts of a dataset file; no rows are read."""
    with open_dataset(path) as dataset:
        shards = [dataset.path, *(shard.path for shard in dataset.shards)]
        return {
            "path": str(dataset.path),
            "n_samples": dataset.n_samples,
            "n_features": dataset.n_features,
            **asdict(dataset.meta),
            "sparse": dataset.sparse,
            "n_stored": dataset.n_stored,
            "dtype": dataset.stored.name,
            "scale": dataset.scale,
            "n_shards": len(dataset.shards),
            "bytes": sum(file.stat().st_size for file in shards),
            "answer": dataset.answer is not None,
            "fingerprint": dataset.fingerprint,
        }


def summary(facts: dict[str, Any]) -> str:
    """Return the facts as lines for people."""
    n, d = facts["n_samples"], facts["n_features"]
    kind = "dense"
    if facts["sparse"]:
        kind = f"CSR, {facts['n_stored'] / n:.1f} values a row"
    task = facts["task"] + (f", {facts['n_classes']} classes" if facts["n_classes"] else "")
    scale = f" x {facts['scale']:.6g}" if facts["scale"] is not None else ""
    files = f"{facts['n_shards']} shards" if facts["n_shards"] else "one file"
    lines = {
        "rows": f"{n:,} x {d:,} features ({kind}, {facts['dtype']}{scale})",
        "task": task,
        "size": f"{facts['bytes'] / 1e6:,.1f} MB in {files}",
        "source": facts["source"] or "not said",
        "license": facts["license"] or "not said",
        "source_sha256": facts["source_sha256"] or "not said",
        "fingerprint": facts["fingerprint"],
        "creator": facts["creator"] or "not said",
    }
    if facts["answer"]:
        lines["answer"] = "the parameters it was made with are in the file"
    return "\n".join([facts["path"], *(f"  {key:14} {text}" for key, text in lines.items())])
