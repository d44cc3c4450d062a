"""What the kernel is asked to look after, on connections made here."""

import math
import socket
from contextlib import ExitStack

import pytest

from mpicode.pool.lifeline import hold_connections

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system's TCP has no such time limit"
)


@pytest.fixture
def connected():
    """Return both ends of a connection between two addresses of this host."""
    with ExitStack() as closing:

        def connect(one="127.0.0.1", other="127.0.0.2"):
            listener = closing.enter_context(socket.create_server((one, 0)))
            end = closing.enter_context(
                socket.create_connection(listener.getsockname(), source_address=(other, 0))
            )
            return end, closing.enter_context(listener.accept()[0])

        yield connect


def limits(end):
    """Return whether a connection is probed while idle, and after how long it breaks, in s."""
    probed = end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return bool(probed), end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000


def test_connections_to_other_hosts_break_in_time(connected):
    for end in (ends := connected()):
        assert limits(end) == (False, 0.0)
    hold_connections(10.0)
    for end in ends:
        assert limits(end) == (True, 10.0)
        pause = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        probes = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert 5 <= end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) + pause * probes <= 10
        end.sendall(b"still open")


def test_others_stay_as_they_are(connected):
    within, _ = connected("127.0.0.1", "127.0.0.1")
    local, remote = socket.socketpair()
    with (
        local,
        remote,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.connect(("127.0.0.2", 9))
        hold_connections(10.0)
        for end in (within, listener):
            assert limits(end) == (False, 0.0)
        for end in (local, datagrams):
            assert not end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("seconds", [math.inf, 1e9])
def test_a_limit_beyond_what_the_kernel_can_count_is_none(connected, seconds):
    end, _ = connected()
    hold_connections(seconds)
    assert limits(end) == (False, 0.0)


def test_the_shortest_limit(connected):
    end, _ = connected()
    hold_connections(1e-6)
    assert limits(end) == (True, 0.001)
