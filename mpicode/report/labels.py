"""What runs are called: by their files, and by what differs between their configurations."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..results import RunData

# Where a run writes, and which element of a sweep it is, is no property of it.
_NOT_COMPARED = ("output", "checkpoint", "element")
_LONGEST = 72


def labels(paths: Sequence[Path]) -> list[str]:
    """Return a short name for each run file, no two alike."""
    names = [path.name.removesuffix(".part").removesuffix(".h5") for path in paths]
    count = Counter(names)
    names = [
        name if count[name] == 1 else f"{path.resolve().parent.name}-{name}"
        for name, path in zip(names, paths, strict=True)
    ]
    count = Counter(names)
    return [
        name if count[name] == 1 else f"{name}-{number}" for number, name in enumerate(names, 1)
    ]


def differences(runs: Sequence[RunData]) -> list[str]:
    """Return for each run what is its own in its configuration, no two alike.

    Of a sweep that is what the elements change. An empty list where nothing short tells the runs
    apart.
    """
    configs = [tables_of(run.config) for run in runs]
    flat = [_flat(config) for config in configs]
    keys = _swept(configs) or [key for one in flat for key in one]
    values = {key: [one.get(key) for one in flat] for key in keys}
    keys = [key for key in values if any(value != values[key][0] for value in values[key])]
    last = Counter(key.rpartition(".")[2] for key in keys)
    texts = []
    for one in flat:
        parts = []
        for key in keys:
            if key in one:
                short = key.rpartition(".")[2]
                name = short if last[short] == 1 else key
                value = _text(one[key])
                parts.append(value if key == "code.name" else f"{name} {value}")
        texts.append(", ".join(parts))
    unlike = len(set(texts)) == len(texts)
    return texts if unlike and all(0 < len(text) <= _LONGEST for text in texts) else []


def is_sweep(runs: Sequence[RunData]) -> bool:
    """Return whether all runs are elements of sweeps."""
    return bool(_swept([tables_of(run.config) for run in runs]))


def tables_of(config: str) -> dict[str, Any]:
    """Return the tables of a run's configuration, none where it is no TOML."""
    try:
        return tomllib.loads(config)
    except tomllib.TOMLDecodeError:
        return {}


def _swept(configs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the keys that the elements change, nothing unless all runs are elements."""
    keys: list[str] = []
    for config in configs:
        element = config.get("element")
        changes = element.get("changes") if isinstance(element, dict) else None
        if not isinstance(changes, dict):
            return []
        keys += changes
    return keys


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{table}.{key}": value
        for table, values in config.items()
        if table not in _NOT_COMPARED and isinstance(values, dict)
        for key, value in values.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value.rpartition("/")[2]
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return str(value)
