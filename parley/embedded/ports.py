"""Ports on loopback for parts, and the one that the API processes share."""

import errno
import json
import random
import socket
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from parley.embedded.folder import write_whole
from parley.settings import SettingsError

LOOPBACK = "127.0.0.1"
# Below what kernels give to outgoing connections (32768 on Linux, 49152 on macOS): a client that
# keeps trying a part which is down would otherwise, sooner or later, be given that very port and
# connect to itself.
PORT_RANGE = range(20_000, 30_000)
# How long a forerunner that was killed may hold its port.
FREED_WITHIN_S = 1.0


class Ports:
    """The port of each part, the same one again after a restart of the whole if it is free."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def assign(self, names: Iterable[str]) -> dict[str, int]:
        names = list(names)
        deadline = time.monotonic() + FREED_WITHIN_S
        while any(name in self._kept and not is_free(self._kept[name]) for name in names):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        for name in names:
            if name not in self._kept or not is_free(self._kept[name]):
                self._kept[name] = free_port(self._kept.values())
        write_whole(self._path, json.dumps(self._kept))
        return {name: self._kept[name] for name in names}


def free_port(besides: Collection[int] = ()) -> int:
    """
    Raises:
        SettingsError: all are taken.
    """
    for port in random.sample(PORT_RANGE, 1000):
        if port not in besides and is_free(port):
            return port
    raise SettingsError("No port between 20000 and 30000 is free on 127.0.0.1.")


def is_free(port: int) -> bool:
    try:
        listening_socket(LOOPBACK, port, shared=False).close()
    except OSError:
        return False
    return True


def listening_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound TCP socket; a shared one may be bound by several processes of this user."""
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


def reserve(host: str, port: int) -> socket.socket:
    """Take the shared port for our API processes: bound, never listening, so nobody else can take
    it meanwhile.

    Raises:
        SettingsError: somebody has it, or it cannot be had.
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
                raise SettingsError(_why(host, port, error)) from None
        time.sleep(0.05)


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"PARLEY_PORT {port} on {host} is in use by another program; "
            "stop that or set another PARLEY_PORT."
        )
    if error.errno == errno.EACCES:
        return f"PARLEY_PORT {port} may not be used by this user; set one above 1023."
    return f"PARLEY_HOST {host} cannot be listened on: {error.strerror}."
