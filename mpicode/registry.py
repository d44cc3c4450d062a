"""Names bound to classes, and parameters checked against their constructors.

A part that can be chosen by name (a code, a problem, an optimizer, a delay model) is a class with
an attribute ``name`` and a constructor of keyword-only, annotated parameters. Those parameters
*are* its configuration keys. What the program knows itself (``n_workers``, ``seed``, the shape of
the data ...) is handed over as context and cannot be set by the user under that table.
"""

from __future__ import annotations

import contextlib
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


def coerce(value: Any, annotation: Any, key: str) -> Any:
    """Return ``value`` as ``annotation`` wants it, or raise a `ConfigError` that names ``key``."""
    kind = typing.get_origin(annotation) or annotation
    arguments = typing.get_args(annotation)
    if kind is Any:
        return value
    if kind in (typing.Union, types.UnionType):
        return _first_fitting(value, arguments, key)
    if kind is Literal:
        # True == 1, but is no integer here
        if not any(value == each and type(value) is type(each) for each in arguments):
            raise ConfigError(f"{key}: {value!r} is not one of {_name(annotation)}")
        return value
    if kind in (list, tuple) and isinstance(value, (list, tuple)):
        element = arguments[0] if arguments else Any
        return kind(coerce(v, element, f"{key}[{i}]") for i, v in enumerate(value))
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{key}: {str(value)[:20]}... is too large for a number") from None
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in (str, bool, dict) and isinstance(value, kind):
        return value
    raise ConfigError(f"{key}: wants {_name(annotation)}, got {value!r}")


def _first_fitting(value: Any, alternatives: tuple[Any, ...], key: str) -> Any:
    """Return ``value`` as the first of the alternatives that it fits."""
    if value is None and type(None) in alternatives:
        return None
    wanted = [each for each in alternatives if each is not type(None)]
    if len(wanted) == 1:
        return coerce(value, wanted[0], key)
    for each in wanted:
        with contextlib.suppress(ConfigError):
            return coerce(value, each, key)
    raise ConfigError(f"{key}: wants {' or '.join(map(_name, wanted))}, got {value!r}")


def _name(annotation: Any) -> str:
    """Return how an error calls what ``annotation`` wants."""
    kind, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if kind is Literal:
        return ", ".join(map(repr, arguments))
    names = {
        int: "an integer",
        float: "a number",
        str: "a string",
        bool: "true or false",
        list: "a list",
        tuple: "a list",
        dict: "a table",
    }
    return names.get(kind, str(annotation))


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Return the keyword-only parameters of the constructor, with annotations resolved.

    Where the constructor takes ``**rest``, those of the base class it hands them to count too.
    """
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None or base is object:
            continue
        parameters = inspect.signature(constructor, eval_str=True).parameters.values()
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                annotated = parameter.annotation is not inspect.Parameter.empty
                annotation = parameter.annotation if annotated else Any
                found.setdefault(parameter.name, parameter.replace(annotation=annotation))
        if all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


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

    def check(
        self, name: str, parameters: Mapping[str, Any], context: Iterable[str]
    ) -> dict[str, Any]:
        """Return the parameters with their types put right.

        Raises `ConfigError` for the first that is unknown, missing or of the wrong type.
        """
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
