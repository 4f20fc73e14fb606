"""A connection on which nothing arrives any more is ended by the kernel."""

import socket
import sys

from parley.embedded.ports import LOOPBACK, listening_socket
from parley.server import limit_silence


def limit_ms(connection: socket.socket) -> int | None:
    """None where it is not known: it is an option of Linux."""
    if sys.platform != "linux":
        return None
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def test_accepted_connections_inherit_the_limit() -> None:
    with listening_socket(LOOPBACK, 0, shared=False) as listening:
        limit_silence(listening, 20)
        listening.listen()
        with (
            socket.create_connection(listening.getsockname(), timeout=5),
            listening.accept()[0] as accepted,
        ):
            assert limit_ms(accepted) in (20_000, None)
