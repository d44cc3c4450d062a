"""Finite fields, for designs that are made of points and lines over them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.intp]


class Field(NamedTuple):
    """The field of ``size`` elements 0, 1, ... size - 1, by its tables; 0 and 1 are neutral.

    add, multiply : (size, size)      negative : (size,)
    """

    size: int
    add: Table
    multiply: Table
    negative: Table

    @property
    def subtract(self) -> Table:
        """The table of differences, (size, size)."""
        return self.add[:, self.negative]

    def powers(self, exponent: int) -> Table:
        """Return the ``exponent``-th powers of the elements other than 0, ascending."""
        elements = power = np.arange(1, self.size)
        for _ in range(exponent - 1):
            power = self.multiply[power, elements]
        return np.unique(power)


def prime_power(number: int) -> tuple[int, int] | None:
    """Return (p, e) with number = p ** e and p prime, None if there are none."""
    if number < 2:
        return None
    prime = next((d for d in range(2, int(number**0.5) + 1) if number % d == 0), number)
    exponent, rest = 0, number
    while rest % prime == 0:
        exponent, rest = exponent + 1, rest // prime
    return (prime, exponent) if rest == 1 else None


@lru_cache(maxsize=4)
def field(size: int) -> Field:
    """Return the field of ``size`` elements, a prime power.

    Element ``sum_i c_i p ** i`` stands for the polynomial ``sum_i c_i x ** i`` over the integers
    mod p; products are taken modulo the first polynomial of which x is a primitive root.
    """
    found = prime_power(size)
    if found is None:
        raise ValueError(f"no field has {size} elements: that is no power of a prime")
    prime, exponent = found
    place = prime ** np.arange(exponent)
    digits = np.arange(size)[:, None] // place % prime
    add = ((digits[:, None] + digits) % prime) @ place
    negative = (-digits % prime) @ place
    if exponent == 1:
        return Field(size, add, np.outer(np.arange(size), np.arange(size)) % size, negative)
    cycles = (_cycle(low, prime, place) for low in digits)
    cycle = next(c for c in cycles if len(c) == size - 1)
    logarithm = np.zeros(size, dtype=np.intp)
    logarithm[cycle] = np.arange(size - 1)
    multiply = cycle[(logarithm[:, None] + logarithm) % (size - 1)]
    multiply[0] = multiply[:, 0] = 0
    return Field(size, add, multiply, negative)


def _cycle(low: Table, prime: int, place: Table) -> Table:
    """Return 1, x, x^2, ... up to the first repetition, modulo x^e - sum_i low_i x^i."""
    seen: dict[int, None] = {}
    digits = np.zeros_like(low)
    digits[0] = 1
    while (number := int(digits @ place)) not in seen and number:
        seen[number] = None
        digits = (np.concatenate([[0], digits[:-1]]) + digits[-1] * low) % prime
    return np.fromiter(seen, dtype=np.intp)
