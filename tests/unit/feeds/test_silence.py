"""What the kernel keeps for a client that takes nothing is bounded, in bytes and in time."""

import socket
import sys

from models.limits.limits import Limits
from parley.ports import LOOPBACK, listening_socket
from parley.server import UNSENT_BYTES, bound_readers


def bounds_of(connection: socket.socket) -> tuple[int, int] | None:
    """Milliseconds and bytes; None where they are not known: they are options of Linux."""
    if sys.platform != "linux":
        return None
    return (
        connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT),
    )


def test_accepted_connections_inherit_the_bounds() -> None:
    with listening_socket(LOOPBACK, 0, shared=False) as listening:
        bound_readers(listening, Limits(stopped_reader_s=5))
        listening.listen()
        with (
            socket.create_connection(listening.getsockname(), timeout=60),
            listening.accept()[0] as accepted,
        ):
            assert bounds_of(accepted) in ((9_000, UNSENT_BYTES), None)
