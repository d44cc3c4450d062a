"""Values of options, as argparse reads them."""

from __future__ import annotations

import argparse
import math

from ..errors import Stopped


def exit_code(text: str) -> int:
    """Read an exit code for a run that is to be told from others."""
    code = int(text)
    if not Stopped.exit_code <= code < 126:
        # those below mean other things, and from 126 on shells have meanings of their own
        raise argparse.ArgumentTypeError(f"must be from {Stopped.exit_code} to 125, got {code}")
    return code


def seconds(text: str) -> float:
    """Read a length of time."""
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0 and finite, got {text}")
    return value
