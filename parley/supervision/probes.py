"""One question each to a server of this machine, asked by a real connection; anything but the right
answer is no.
"""

import socket
import struct

TIMEOUT_S = 1.0
LOOPBACK = "127.0.0.1"
# How a program of this machine reaches what listens on all of its addresses.
_ALL_ADDRESSES = {"0.0.0.0": LOOPBACK, "::": "::1"}


def postgresql_answers(port: int) -> bool:
    """Return True if it asks a new client for its password: it does so only once it takes work."""
    return _ask_postgresql(port) == b"R"


def postgresql_responds(port: int) -> bool:
    """Return True if it says anything to a new client: in recovery, it says that it cannot work
    yet.
    """
    return _ask_postgresql(port) != b""


def _ask_postgresql(port: int) -> bytes:
    fields = b"user\0parley\0database\0parley\0\0"
    return _ask(port, struct.pack("!ii", len(fields) + 8, 3 << 16) + fields, 1)


def valkey_responds(port: int) -> bool:
    """Return True if it says anything: while it loads its data, that it does so."""
    return _ask(port, b"PING\r\n", 1) != b""


def valkey_answers(port: int, password: str) -> bool:
    """Return True if it knows our password and has loaded its data."""
    return _ask(port, f"AUTH {password}\r\nPING\r\n".encode(), 12) == b"+OK\r\n+PONG\r\n"


def http_status(port: int, path: str, *, host: str = LOOPBACK) -> int | None:
    """Return the status of the answer to a GET, or None when there is no answer. `host` is the
    address that the server listens on.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    status = _ask(port, request.encode(), 12, host=host)[9:12]
    return int(status) if status.isdigit() else None


def _ask(port: int, question: bytes, answer_bytes: int, *, host: str = LOOPBACK) -> bytes:
    answer = b""
    try:
        with socket.create_connection(
            (_ALL_ADDRESSES.get(host, host), port), TIMEOUT_S
        ) as connection:
            connection.sendall(question)
            while len(answer) < answer_bytes:
                received = connection.recv(answer_bytes - len(answer))
                if not received:
                    break
                answer += received
    except OSError:
        return b""
    return answer
