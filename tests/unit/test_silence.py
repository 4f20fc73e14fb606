"""A connection on which nothing arrives any more is ended by the kernel."""

import socket
import sys

import pytest

from parley.embedded.ports import LOOPBACK, listening_socket
from parley.server import limit_silence


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
def test_accepted_connections_inherit_the_limit() -> None:
    with listening_socket(LOOPBACK, 0, shared=False) as listening:
        limit_silence(listening, 20)
        listening.listen()
        with (
            socket.create_connection(listening.getsockname(), timeout=5),
            listening.accept()[0] as accepted,
        ):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
