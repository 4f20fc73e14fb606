"""Find free ports on loopback, bind sockets, and reserve the port that all API processes share."""

import errno
import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from parley.settings import SettingsError

LOOPBACK = "127.0.0.1"
# Below what kernels give to outgoing connections (32768 on Linux, 49152 on macOS): a client that
# keeps trying a part which is down would otherwise, sooner or later, be given that very port and
# connect to itself.
PORT_RANGE = range(20_000, 30_000)
# Within so long whoever was given a port has bound it.
BOUND_WITHIN_S = 60.0
# How long a forerunner that was killed may hold its port.
FREED_WITHIN_S = 1.0


def free_port(besides: Collection[int] = ()) -> int:
    """Return a free port of `PORT_RANGE` on loopback that is none of `besides`, and that no process
    of this user was given in the last minute: until it is bound, a port is free for everybody.

    Raises:
        SettingsError: none of 1,000 ports that were tried is free.
    """
    with _given_lately() as given:
        for port in random.sample(PORT_RANGE, 1000):
            if port not in besides and port not in given and is_free(port):
                given[port] = time.time()
                return port
    raise SettingsError("No port between 20000 and 30000 is free on 127.0.0.1.")


@contextmanager
def _given_lately() -> Iterator[dict[int, float]]:
    """Read, and then write, which ports this user's processes were given, and when. One process at
    a time does; where there is no folder for temporary files, nothing is remembered.
    """
    try:
        path = Path(tempfile.gettempdir()) / f"parley-ports-{os.getuid()}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        yield {}
        return
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        given = _read_given(file.read(), time.time())
        yield given
        file.seek(0)
        file.truncate()
        file.writelines(f"{port} {at}\n" for port, at in given.items())


def _read_given(text: str, now: float) -> dict[int, float]:
    """Return the lines that still count, each a port and a time; what is anything else does not."""
    given: dict[int, float] = {}
    for line in text.splitlines():
        try:
            port, at = line.split()
            if abs(now - float(at)) < BOUND_WITHIN_S:
                given[int(port)] = float(at)
        except ValueError:
            continue
    return given


def is_free(port: int) -> bool:
    """Return True if this process could bind the port on loopback now."""
    try:
        listening_socket(LOOPBACK, port, shared=False).close()
    except OSError:
        return False
    return True


def listening_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a bound TCP socket. Several processes of this user may bind a shared one.

    Raises:
        OSError: the address cannot be bound.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def own_socket(host: str, port: int) -> socket.socket:
    """Bind a port of this process alone; 0 lets the kernel choose.

    Raises:
        SettingsError: another program has the port, or this user cannot bind it.
    """
    try:
        return listening_socket(host, port, shared=False)
    except OSError as error:
        raise SettingsError(_why("PARLEY_OWN_", host, port, error)) from None


def reserve(host: str, port: int) -> socket.socket:
    """Bind the port that our API processes share, so that no other program can take it.

    The socket never listens: it only holds the port while API processes come and go.

    Raises:
        SettingsError: another program has the port, or this user cannot bind it.
    """
    deadline = time.monotonic() + FREED_WITHIN_S
    while True:
        try:
            # Alone first: a shared bind would succeed beside another Parley's.
            with listening_socket(host, port, shared=False) as alone:
                port = alone.getsockname()[1]
            return listening_socket(host, port, shared=True)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise SettingsError(_why("PARLEY_", host, port, error)) from None
        time.sleep(0.05)


def _why(prefix: str, host: str, port: int, error: OSError) -> str:
    name = f"{prefix}PORT"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{name} {port} on {host} is in use by another program; "
            f"stop that or set another {name}."
        )
    if error.errno == errno.EACCES:
        return f"{name} {port} may not be used by this user; set one above 1023."
    return f"{prefix}HOST {host} cannot be listened on: {error.strerror}."
