"""A cable that takes its time, for kernels without ``netem``: two TAP devices and who carries."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import threading
import time
from collections import deque

_SET_INTERFACE = 0x400454CA  # TUNSETIFF of <linux/if_tun.h>
_TAP, _NO_HEADER = 0x0002, 0x1000
_LARGEST_FRAME = 65536


def new_tap(name: str) -> int:
    """Return the descriptor of a new network device, which is there until that is closed."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(end, _SET_INTERFACE, struct.pack("16sH", name.encode(), _TAP | _NO_HEADER))
    except OSError:
        os.close(end)
        raise
    return end


class Relay:
    """Carries each frame from one device to the other, both ways, ``seconds`` after it was sent.

    ``one`` and ``other`` are descriptors of `new_tap`; `close` closes them.
    """

    def __init__(self, one: int, other: int, seconds: float) -> None:
        self._ends = {one: other, other: one}
        self._seconds = seconds
        self._reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._carry, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what is on its way is lost."""
        os.close(self._writer)
        self._thread.join()
        for end in (self._reader, *self._ends):
            os.close(end)

    def _carry(self) -> None:
        on_the_way: deque[tuple[float, int, bytes]] = deque()
        ends = [self._reader, *self._ends]
        while True:
            left = max(0.0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
            ready = select.select(ends, [], [], left)[0]
            if self._reader in ready:
                return
            for end in ready:
                # a device that is not up says so
                with contextlib.suppress(OSError):
                    frame = os.read(end, _LARGEST_FRAME)
                    on_the_way.append((time.monotonic() + self._seconds, self._ends[end], frame))
            while on_the_way and on_the_way[0][0] <= time.monotonic():
                _, end, frame = on_the_way.popleft()
                with contextlib.suppress(OSError):  # nobody takes it there, as with a cut cable
                    os.write(end, frame)
