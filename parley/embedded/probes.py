"""One question each to a server on loopback, asked by a real connection; anything but the right
answer is no.
"""

import socket
import struct

TIMEOUT_S = 1.0


def postgresql_answers(port: int) -> bool:
    """Whether it asks a new client for its password: it does so only once it takes work."""
    fields = b"user\0parley\0database\0parley\0\0"
    start_up = struct.pack("!ii", len(fields) + 8, 3 << 16) + fields
    return _ask(port, start_up, 1) == b"R"


def valkey_answers(port: int, password: str) -> bool:
    """Whether it knows our password and has loaded its data."""
    return _ask(port, f"AUTH {password}\r\nPING\r\n".encode(), 12) == b"+OK\r\n+PONG\r\n"


def http_status(port: int, path: str) -> int | None:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    status = _ask(port, request.encode(), 12)[9:12]
    return int(status) if status.isdigit() else None


def _ask(port: int, question: bytes, answer_bytes: int) -> bytes:
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(question)
            while len(answer) < answer_bytes:
                received = connection.recv(answer_bytes - len(answer))
                if not received:
                    break
                answer += received
    except OSError:
        return b""
    return answer
