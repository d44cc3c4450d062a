"""Tables as TOML has them, made into checked records."""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..registry import coerce, suggest
from .parts import Part

# What Linux and its file systems take, in bytes.
_NAME_MAX = 255
_PATH_MAX = 4095


def plain(value: Any) -> Any:
    """Return nested tables without numpy's numbers and paths, so that TOML can hold them."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.tolist() if hasattr(value, "tolist") else value


def to_record(kind: type, name: str, table: Mapping[str, Any]) -> Any:
    """Return the record of one table; raises `ConfigError` for the first wrong key."""
    if kind is Part:
        values = dict(table)
        part = values.pop("name", None)
        if not isinstance(part, str):
            raise ConfigError(
                f"{name}.name: missing" if part is None else f"{name}.name: wants a string"
            )
        return Part(part, values)
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in hints:
            raise ConfigError(f"{name}.{key}: no such key; {suggest(key, hints)}")
    for entry in dataclasses.fields(kind):
        required = entry.default is entry.default_factory is dataclasses.MISSING
        if required and entry.name not in table:
            raise ConfigError(f"{name}.{entry.name}: missing")
    return kind(**{key: coerce(value, hints[key], f"{name}.{key}") for key, value in table.items()})


def absolute(key: str, path: str, folder: Path) -> str:
    """Return the path that ``key`` means, which is relative to the configuration's folder."""
    try:
        found = (folder / Path(path).expanduser()).resolve()
        longest = max(len(os.fsencode(name)) for name in found.parts)
        whole = len(os.fsencode(found))
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{key}: {path[:40]!r} is no path: {error}") from None
    for what, length, most in (("name", longest, _NAME_MAX), ("path", whole, _PATH_MAX)):
        if length > most:
            raise ConfigError(
                f"{key}: {path[:40]!r}... is a {what} of {length} bytes, none has more than {most}"
            )
    return str(found)
