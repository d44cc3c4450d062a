"""Names bound to classes, and parameters checked against their constructors.

A part that can be chosen by name (a code, a problem, an optimizer, a delay model) is a class with an
attribute ``name`` and a constructor of keyword-only, annotated parameters. Those parameters *are* its
configuration keys. What the program knows itself (``n_workers``, ``seed``, the shape of the data ...)
is handed over as context and cannot be set by the user under that table.
"""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar

from .errors import ConfigError

T = TypeVar("T")


def suggest(name: str, valid: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` where a valid name is close, else the list of all of them."""
    valid = list(valid)
    close = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(valid) or 'none'}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def coerce(value: Any, annotation: Any, key: str) -> Any:
    """Return ``value`` as ``annotation`` wants it, or raise a `ConfigError` that names ``key``."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if annotation is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        wanted = [a for a in arguments if a is not type(None)]
        for alternative in wanted:
            try:
                return coerce(value, alternative, key)
            except ConfigError as error:
                if len(wanted) == 1:
                    raise error
        names = " or ".join(_name(a) for a in wanted)
        raise ConfigError(f"{key}: wants {names}, got {value!r}")
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{key}: {value!r} is not one of {', '.join(map(repr, arguments))}")
        return value
    if origin in (list, tuple):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{key}: wants a list, got {value!r}")
        return origin(coerce(v, arguments[0], f"{key}[{i}]") for i, v in enumerate(value))
    if annotation is float and _is_number(value):
        return float(value)
    if annotation is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if annotation in (str, bool, dict) and isinstance(value, annotation):
        return value
    raise ConfigError(f"{key}: wants {_name(annotation)}, got {value!r}")


def _name(annotation: Any) -> str:
    names = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}
    return names.get(annotation, str(annotation))


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Return the keyword-only parameters of the constructor, with annotations resolved."""
    hints = typing.get_type_hints(cls.__init__)
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


class Registry(Mapping[str, type[T]], Generic[T]):
    """The parts of one kind that can be chosen by name, in the order they are listed."""

    def __init__(self, table: str, classes: Iterable[type[T]]) -> None:
        self.table = table
        self._classes = {cls.name: cls for cls in classes}  # type: ignore[attr-defined]

    def __getitem__(self, name: str) -> type[T]:
        try:
            return self._classes[name]
        except KeyError:
            raise ConfigError(
                f"{self.table}.name: unknown {self.table} {name!r}; {suggest(name, self._classes)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def check(self, name: str, parameters: Mapping[str, Any], context: Iterable[str]) -> dict[str, Any]:
        """Return the parameters with their types put right; raise `ConfigError` for the first wrong one."""
        cls = self[name]
        known = parameters_of(cls)
        own = {key: p for key, p in known.items() if key not in set(context)}
        for key in parameters:
            if key not in own:
                raise ConfigError(
                    f"{self.table}.{key}: no such parameter of {name!r}; {suggest(key, own)}"
                )
        for key, parameter in own.items():
            if parameter.default is inspect.Parameter.empty and key not in parameters:
                raise ConfigError(f"{self.table}.{key}: missing, {name!r} needs it")
        return {
            key: coerce(value, own[key].annotation, f"{self.table}.{key}")
            for key, value in parameters.items()
        }

    def make(self, name: str, parameters: Mapping[str, Any] | None = None, **context: Any) -> T:
        """Build the part ``name``; of the context it gets what its constructor asks for."""
        cls = self[name]
        checked = self.check(name, parameters or {}, context)
        known = parameters_of(cls)
        return cls(**{k: v for k, v in context.items() if k in known}, **checked)
