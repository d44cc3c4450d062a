"""How the messages of one scheme stand to each other, for ``mpicode codes``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .columns import columns

if TYPE_CHECKING:
    from ..codes import GradientCode

_HEADS = ("rows arrived", "sets", "all decodable", "noise (median)", "one-step error")


def describe_rows(rows: dict[str, Any]) -> list[str]:
    """Return what `Lwpd.facts` says of its rows as lines of text."""
    table = [
        (
            str(each["n_arrived"]),
            str(each["n_sets"]),
            f"{each['full']:.1%}",
            "none" if each["amplification"] is None else f"{each['amplification']:.3g}",
            f"{each['one_step']:.3g}",
        )
        for each in rows["survivors"]
    ]
    orthoplex = rows["orthoplex_bound"]
    return [
        f"rows               {rows['n_rows']} of {rows['n_segments']} segments for a block, "
        f"{rows['least_weight']} to {rows['most_weight']} in each",
        f"coherence          {rows['coherence']:.4f}; bounds {rows['welch_bound']:.4f} (Welch)"
        + (f", {orthoplex:.4f} (orthoplex)" if orthoplex else ""),
        f"frame potential    {rows['frame_potential']:.4g}, "
        f"{rows['frame_potential'] / rows['least_potential']:.3f} of the least there is",
        "",
        *columns(_HEADS, table, left=0),
    ]


def padding(code: GradientCode, n_parameters: int) -> dict[str, Any]:
    """Return how long messages are, and which share of them is padding."""
    from ..problems.base import segment_length

    if n_parameters < code.n_segments:
        raise ConfigError(
            f"--parameters: {n_parameters} of them cannot be cut into {code.n_segments} segments"
        )
    length = segment_length(n_parameters, code.n_segments)
    return {
        "n_parameters": n_parameters,
        "message_length": length,
        "padding": length * code.n_segments / n_parameters - 1.0,
    }


def draw(code: GradientCode, rows: dict[str, Any], path: Path) -> Path:
    """Draw the cosines of any two messages."""
    import numpy as np

    from ..report import draw_cosines

    products = np.abs((code.encoding @ code.encoding.conj().T).toarray())
    norms = np.sqrt(np.maximum(products.diagonal(), np.finfo(float).tiny))
    bounds = {"coherence": rows["coherence"], "Welch": rows["welch_bound"]} if rows else {}
    title = f"{code.name}: what {code.n_messages} messages have in common"
    return draw_cosines(products / np.outer(norms, norms), bounds, title, path)
