"""Damage to a TOML text: wrong types, absurd numbers, depth, and plain noise."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

VALUES = (
    *("0", "1", "-1", "2", "3", "7", "0.5", "1.5", "1000000", "1e308", "-1e308", "5e-324"),
    *("nan", "inf", "-inf", "true", "2147483648", "4294967296", "100000000000000"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("9" * 5000, "1e99999", "0x" + "f" * 40),
    *('""', '"x"', '"' + "a" * 10000 + '"', '"\\u0000"', '"\\n"', '"../.."', '"/dev/null"', '"."'),
    *("[]", "{}", "[1, 2]", '["a", 1]', "[[[[1]]]]", "{a = {b = {c = 1}}}", "[" * 300 + "]" * 300),
    *("1979-05-27T07:32:00Z", "07:32:00", "1979-05-27"),
)
NOISE = (
    *("\0", "=", "[", "]", '"', "'''", "\n", "#", "\\", ".", "[[x]]\n"),
    *("\u2028", "\u00e9", "\ud7ff"),
)


def damage(rng: np.random.Generator, path: Path) -> str:
    """Damage the text in one to three ways drawn from ``rng``; return what was done."""
    text, told = path.read_text(), []
    for _ in range(int(rng.choice([1, 1, 1, 1, 2, 3]))):
        way = WAYS[int(rng.integers(len(WAYS)))]
        text, done = way(rng, text)
        told.append(done)
    path.write_text(text)
    return f"{path.name}: {'; '.join(told)}"


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _value(rng: np.random.Generator, text: str) -> tuple[str, str]:
    """Give one key another value."""
    lines = text.split("\n")
    keyed = [i for i, line in enumerate(lines) if " = " in line]
    if not keyed:
        return text, "no key left"
    i = keyed[int(rng.integers(len(keyed)))]
    key = lines[i].partition(" = ")[0]
    value = _pick(rng, VALUES)
    lines[i] = f"{key} = {value}"
    return "\n".join(lines), f"{key} = {value[:40]}"


def _nudge(rng: np.random.Generator, text: str) -> tuple[str, str]:
    """Make one number a little larger or smaller, so that much else still fits."""
    found = list(re.finditer(r"(?<= = )-?[0-9.e-]+$", text, re.MULTILINE))
    if not found:
        return text, "no number left"
    match = found[int(rng.integers(len(found)))]
    old = float(match[0])
    new = [old * 2, old * 10, old / 3, -old, old + 1, old - 1, 0.0][int(rng.integers(7))]
    told = f"{int(new)}" if "." not in match[0] and "e" not in match[0] else f"{new!r}"
    return text[: match.start()] + told + text[match.end() :], f"{match[0]} is now {told}"


def _drop(rng: np.random.Generator, text: str) -> tuple[str, str]:
    lines = text.split("\n")
    gone = lines.pop(int(rng.integers(len(lines))))
    return "\n".join(lines), f"without {gone[:40]!r}"


def _double(rng: np.random.Generator, text: str) -> tuple[str, str]:
    lines = text.split("\n")
    line = lines[int(rng.integers(len(lines)))]
    lines.insert(int(rng.integers(len(lines) + 1)), line)
    return "\n".join(lines), f"once more {line[:40]!r}"


def _noise(rng: np.random.Generator, text: str) -> tuple[str, str]:
    at, what = int(rng.integers(len(text) + 1)), _pick(rng, NOISE)
    return text[:at] + what + text[at:], f"{what!r} inserted at {at}"


def _cut(rng: np.random.Generator, text: str) -> tuple[str, str]:
    at = int(rng.integers(len(text) + 1))
    return text[:at], f"cut at {at}"


def _deep(rng: np.random.Generator, text: str) -> tuple[str, str]:
    """Nest far deeper than anyone means."""
    depth = int(rng.choice([50, 500, 5000, 50000]))
    piece = _pick(rng, ("[", "{a=", "a.", "[a."))
    close = {"[": "]", "{a=": "}"}.get(piece, "")
    if piece == "a.":
        added = "a." * depth + "a = 1"
    elif piece == "[a.":
        added = "[" + "a." * depth + "a]\nb = 1"
    else:
        added = f"deep = {piece * depth}1{close * depth}"
    if rng.random() < 0.5:
        return f"{added}\n{text}", f"{piece!r} {depth} deep in front"
    return f"{text}\n{added}", f"{piece!r} {depth} deep at the end"


def _table(rng: np.random.Generator, text: str) -> tuple[str, str]:
    """Turn a table into something else."""
    heads = re.findall(r"^\[.*\]$", text, re.MULTILINE)
    if not heads:
        return text, "no table left"
    head = _pick(rng, tuple(heads))
    name = head.strip("[]")
    new = _pick(rng, (f"[{head}]", f"[{name}.{name}]", f"{name} = 1", "[other]", f"[{name}x]"))
    return text.replace(head, new, 1), f"{head} is now {new}"


WAYS = (
    *(_value, _value, _value, _value, _nudge, _nudge, _nudge, _nudge),
    *(_drop, _double, _noise, _cut, _deep, _table),
)
