"""Noticing that a host is out of reach, which neither Open MPI nor TCP does by itself."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

_N_PROBES = 4
_LONGEST_MS = 2**31 - 1


def hold_connections(seconds: float) -> None:
    """Have this process's TCP connections to other hosts break once those are out of reach so long.

    An idle connection over a cut cable stands for ever, and one with something on its way for a
    quarter of an hour; when one breaks, ULFM reports the rank at its other end as dead. MPI opens
    connections at the first message to a rank, so call this after that. Linux only; elsewhere, and
    where ``seconds`` is infinite, connections stay as they are.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT") or 1000 * seconds > _LONGEST_MS:
        return
    pause = max(1, int(seconds / _N_PROBES))
    options = (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, pause),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, pause),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _N_PROBES),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, int(1000 * seconds))),
    )
    for entry in Path("/proc/self/fd").iterdir():
        # an end that is not ours to see, or gone meanwhile
        with contextlib.suppress(OSError):
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as end:
                if _leads_elsewhere(end):
                    for option in options:
                        end.setsockopt(*option)


def _leads_elsewhere(end: socket.socket) -> bool:
    """Return whether a socket is a TCP connection to another host."""
    if end.family not in (socket.AF_INET, socket.AF_INET6) or end.type != socket.SOCK_STREAM:
        return False
    return bool(end.getpeername()[0] != end.getsockname()[0])
