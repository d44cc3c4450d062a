"""Names of a user's own functions and classes, ``package.module:Name``."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import ConfigError


def imported(name: str, key: str, what: str) -> Any:
    """Return what ``package.module:Name`` names.

    Raises `ConfigError` for the configuration key ``key``; ``what`` says what the name is of.
    """
    module_name, _, own_name = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), own_name)):
        raise ConfigError(f"{key}: wants 'module:{what}', got {name!r}")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{key}: cannot import {module_name!r}: {error}") from error
    found = getattr(module, own_name, None)
    if found is None:
        raise ConfigError(f"{key}: module {module_name!r} has no {own_name!r}")
    return found
