"""Which answers over a prime field are wrong, and the proof that the others are right."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...kernels import modular_combine, modular_dot
from . import field, gao
from .field import Residues

# A draw misses a wrong answer with probability 1 / prime; then the proof fails, and we draw again.
DRAWS = 64


def wrong_answers(
    points: Sequence[int], answers: Sequence[Residues], degree: int, most: int, prime: int
) -> npt.NDArray[np.bool_] | None:
    """Return which answers are not values of the polynomial that the others lie on, (n,).

    points  : (n,)      answers : n vectors of residues      degree : of the polynomial
    most    : wrong answers looked for at most, degree + 1 + 2 most <= n

    A random sum of each answer, drawn now that nobody can change an answer any more, is decoded as
    a Reed-Solomon word. Then all other answers are compared, in full, with what degree + 1 of them
    say; that proves which are wrong, whatever was drawn. None where no ``n - most`` agree.
    """
    rng = np.random.default_rng(secrets.randbits(256))
    length = answers[0].size
    inside = np.array([_are_residues(answer, prime) for answer in answers])
    word = np.zeros(1, dtype=np.int64)
    for _ in range(DRAWS):
        weights = rng.integers(0, prime, length, dtype=np.int64)
        places = np.flatnonzero(inside).tolist()
        sums = [int(modular_dot(answers[i][None], weights, prime, word)[0]) for i in places]
        found = gao.wrong_values([points[i] for i in places], sums, degree, prime)
        if found is None:
            return None
        wrong = ~inside
        wrong[[places[i] for i in found]] = True
        if wrong.sum() > most:
            return None
        if _agree(points, answers, ~wrong, degree, prime):
            return wrong
    return None


def _are_residues(answer: Residues, prime: int) -> bool:
    return bool(((answer >= 0) & (answer < prime)).all())


def _agree(
    points: Sequence[int],
    answers: Sequence[Residues],
    right: npt.NDArray[np.bool_],
    degree: int,
    prime: int,
) -> bool:
    """Return whether the answers in ``right`` are values of one polynomial of ``degree``."""
    places = np.flatnonzero(right).tolist()
    base, others = places[: degree + 1], places[degree + 1 :]
    matrix = field.interpolation([points[i] for i in others], [points[i] for i in base], prime)
    said = np.empty((len(others), answers[0].size), dtype=np.int64)
    modular_combine(matrix, [answers[i] for i in base], prime, said)
    return all(np.array_equal(row, answers[i]) for row, i in zip(said, others, strict=True))
