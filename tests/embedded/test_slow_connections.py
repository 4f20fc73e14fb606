"""Connections that never finish a request are ended; those that are slow but whole are not."""

import socket
from contextlib import ExitStack

import pytest

from tests.embedded.conftest import Serve, Serving

SHORT = {"request_head_s": 0.4, "request_body_s": 0.2}
GET = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /pid HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)
# What a client sends at once, and then nothing more.
UNFINISHED = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "half a line": b"GET /p",
    "a head without an end": b"GET /pid HTTP/1.1\r\nHost: x\r\n",
    "half an upgrade": UPGRADE,
    "an upgrade with a long line": UPGRADE + b"X: " + b"x" * 10_000 + b"\r\n\r\n",
    "an upgrade with many lines": UPGRADE + b"X: x\r\n" * 200 + b"\r\n",
    "no body": POST,
    "half a body": POST + b"x" * 50,
    "a chunk without an end": POST.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")
    + b"4\r\nab",
    "half a request after a request": GET + b"GET /p",
}


def connected(serving: Serving) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", serving.own_port), 60)
    client.settimeout(60)
    return client


def read_to_end(client: socket.socket) -> bytes:
    """Return what comes until the connection has ended.

    Raises:
        TimeoutError: it did not.
    """
    found = b""
    try:
        while piece := client.recv(4096):
            found += piece
    except ConnectionResetError:
        pass
    return found


def is_answered(client: socket.socket) -> bool:
    """Whether a whole answer comes, with the port that the process was given."""
    found = b""
    while len(found.partition(b"\r\n\r\n")[2]) < 5:
        piece = client.recv(4096)
        if not piece:
            return False
        found += piece
    return b"200 OK" in found


@pytest.fixture(scope="module")
def brisk(serve_for_all: Serve) -> Serving:
    return serve_for_all(**SHORT)


@pytest.fixture(scope="module")
def patient(serve_for_all: Serve) -> Serving:
    """Takes no client that a busy machine keeps waiting for a slow one."""
    return serve_for_all(request_head_s=60.0, request_body_s=60.0)


def test_who_does_not_finish_a_request_is_ended(brisk: Serving) -> None:
    with ExitStack() as stack:
        clients = {name: stack.enter_context(connected(brisk)) for name in UNFINISHED}
        for name, client in clients.items():
            client.sendall(UNFINISHED[name])

        for client in clients.values():
            read_to_end(client)


def test_an_empty_line_after_an_answer_keeps_nothing_open(brisk: Serving) -> None:
    with connected(brisk) as client:
        client.sendall(GET)
        assert is_answered(client)

        client.sendall(b"\r\n")

        read_to_end(client)


def test_who_says_nothing_but_a_byte_now_and_then_is_ended(brisk: Serving) -> None:
    """Bytes win no time: what counts is the end of the head."""
    with connected(brisk) as client, connected(brisk) as silent:
        client.sendall(b"GET /pid HTTP/1.1\r\n")
        silent.settimeout(0.05)
        for place in range(1000):
            try:
                client.sendall(b"x%d: y\r\n" % place)
                if silent.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break

        assert b"408 Request Timeout" in read_to_end(client)


def test_an_idle_connection_outlives_one_that_is_slow(brisk: Serving) -> None:
    """Between two requests there is nothing to wait for, and load balancers keep connections."""
    with connected(brisk) as idle:
        idle.sendall(GET)
        assert is_answered(idle)
        for _ in range(2):
            with connected(brisk) as slow:
                slow.sendall(b"GET")
                read_to_end(slow)

        idle.sendall(GET)

        assert is_answered(idle)


def test_a_head_in_pieces_is_a_head(patient: Serving) -> None:
    with connected(patient) as client:
        for byte in GET:
            client.sendall(bytes([byte]))

        assert is_answered(client)


def test_an_answer_that_takes_long_is_waited_for(brisk: Serving) -> None:
    """Also by one whose next request is half there."""
    with connected(brisk) as waiting:
        waiting.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /p")
        for _ in range(2):
            with connected(brisk) as slow:
                read_to_end(slow)
        waiting.setblocking(False)

        with pytest.raises(BlockingIOError):
            waiting.recv(1)


def test_a_head_without_bounds_is_refused(patient: Serving) -> None:
    with connected(patient) as client:
        client.sendall(b"GET /pid HTTP/1.1\r\nX: ")
        answer = b""
        try:
            for _ in range(64):
                client.sendall(b"x" * 65_536)
        except OSError:
            pass
        answer = read_to_end(client)

        assert answer == b"" or b"431" in answer


@pytest.mark.parametrize("name", ["an upgrade with a long line", "an upgrade with many lines"])
def test_an_upgrade_whose_head_is_too_large_is_told_so(patient: Serving, name: str) -> None:
    with connected(patient) as client:
        client.sendall(UNFINISHED[name])

        assert read_to_end(client).startswith(b"HTTP/1.1 431 ")


WRONG = {
    "no HTTP": b"nonsense\r\n\r\n",
    "an address of 100 kB": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade to something else": GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "an upgrade without a key": UPGRADE + b"\r\n",
    "an upgrade with a long line": UNFINISHED["an upgrade with a long line"],
}


def test_nobody_fills_the_log_with_requests_that_are_wrong(serve: Serve) -> None:
    serving = serve(**SHORT)
    for wrong in WRONG.values():
        with connected(serving) as client:
            client.sendall(wrong)
            assert client.recv(4096).startswith(b"HTTP/1.1 ")

    serving.process.terminate()

    assert serving.process.communicate(timeout=60)[1] == ""


def test_a_process_has_so_many_connections_and_no_more(serve: Serve) -> None:
    """Sockets count, too; others are told at once, and one that goes makes room."""
    serving = serve(connections=5)
    with ExitStack() as stack:
        sockets = [stack.enter_context(serving.socket()) for _ in range(2)]
        for _ in range(3):
            stack.enter_context(connected(serving))
        with connected(serving) as one_more:
            answer = read_to_end(one_more)

        assert answer.startswith(b"HTTP/1.1 503 ")
        sockets[0].send("still here")
        assert sockets[0].recv(60) == "still here"

        sockets[1].close()
        with connected(serving) as next_one:
            next_one.sendall(GET)
            assert is_answered(next_one)
