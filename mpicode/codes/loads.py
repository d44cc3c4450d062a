"""How a scheme is told how much of the data each worker shall hold."""

from __future__ import annotations

from typing import Any, get_args

from ..errors import ConfigError
from ..registry import parameters_of


def parameters_for(cls: type, load: int, n_segments: int = 1) -> list[dict[str, Any]]:
    """Return the sets of parameters with which ``cls`` has this load and so many segments.

    load : blocks per worker where there are as many blocks as workers, so also copies of a block

    They follow from what the constructor's parameters are called. ``replication`` and ``load`` are
    set as they are; a scheme with neither tolerates as many stragglers as an exact code of this
    load can, ``load - n_segments`` (Ye & Abbe, ICML 2018). A scheme without ``n_segments`` sends
    whole vectors. One that lets its ``design`` be chosen gets a set for each.
    """
    known = parameters_of(cls)
    given: dict[str, Any] = {"n_segments": n_segments} if "n_segments" in known else {}
    by_copies = [key for key in ("replication", "load") if key in known]
    given |= dict.fromkeys(by_copies, load)
    if not by_copies and "n_stragglers" in known:
        given["n_stragglers"] = load - given.get("n_segments", 1)
        if given["n_stragglers"] < 0:
            raise ConfigError(
                f"code.n_segments: {n_segments} segments need {n_segments} copies of each block, "
                f"a load of {load} is {load}"
            )
    designs = get_args(known["design"].annotation) if "design" in known else ()
    return [given | {"design": design} for design in designs] or [given]
