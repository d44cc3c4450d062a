"""Trying a code on lost workers, for ``mpicode codes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..codes import GradientCode

HEADS = ("lost", "sets", "exact", "residual mean", "worst", "amplification mean", "worst")


@dataclass(frozen=True)
class Trials:
    """Which workers are lost: any so many, and an adversary's; or as a failure model says.

    count : sets tried in each row
    """

    failures: str | None
    parameters: Mapping[str, Any]
    count: int
    seed: int

    def __post_init__(self) -> None:
        from ..codes.failures import FAILURES

        if self.failures is not None:
            FAILURES[self.failures]
        elif self.parameters:
            key = next(iter(self.parameters))
            raise ConfigError(f"--set failures.{key}: wants --failures NAME with it")

    @property
    def severity(self) -> str:
        """The name of the parameter that the rows differ in."""
        from ..codes.failures import FAILURES

        return "n_lost" if self.failures is None else FAILURES[self.failures].severity

    def rows(self, code: GradientCode, n_lost: Sequence[int]) -> list[dict[str, Any]]:
        """Return what the code makes of so many lost workers, or of what the model was told."""
        from ..codes.failures import FAILURES, make
        from ..codes.tolerance import tolerance, tolerance_under

        if self.failures is None:
            return [tolerance(code, n, self.count, self.seed)._asdict() for n in n_lost]
        model, key = FAILURES[self.failures], self.severity
        known = {each: code for each in ("n_workers", "seed", "code")}
        levels = [self.parameters.get(key)]
        if key not in self.parameters:
            # checked with a value in place of the one that is to vary
            model_parameters = FAILURES.check(self.failures, {**self.parameters, key: 0}, known)
            levels = model.levels(n_lost, code.n_workers, model_parameters)
        rows = []
        for level in levels:
            given = {**self.parameters, key: level}
            found = tolerance_under(
                code, make(self.failures, given, code=code, seed=self.seed), self.count
            )
            rows.append(found._asdict() | {key: level})
        return rows


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts below `HEADS`."""
    return (
        f"{row['n_lost']:.3g}",
        str(row["n_sets"]),
        f"{row['exact_share']:.1%}",
        *numbers(row),
    )


def numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of residual and amplification, mean and worst; an exact sum has 0."""
    from ..codes.decoder import EXACT

    residuals = (row["mean_residual"], row["worst_residual"])
    amplifications = (row["mean_amplification"], row["worst_amplification"])
    values = (*(value if value > EXACT else 0.0 for value in residuals), *amplifications)
    return tuple(f"{value:.3g}" for value in values)
