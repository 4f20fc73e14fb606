"""The first step of a stop, in which balancers notice: what comes is still served, and each answer
is the last one of its connection. A second signal ends that step.
"""

import http.client
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection

from models.close_codes import CloseCode
from parley.ports import is_free
from tests.embedded.conftest import Serve, Serving

# Longer than any test: what ends it is the second signal.
LONG_S = 600.0


@pytest.fixture
def connection(serve: Serve) -> Iterator[tuple[Serving, http.client.HTTPConnection]]:
    """A process that takes long to drain, and a connection to it that is kept open."""
    serving = serve(drain_s=LONG_S)
    with closing(http.client.HTTPConnection("127.0.0.1", serving.port, timeout=60)) as kept:
        yield serving, kept


def get(connection: http.client.HTTPConnection, path: str) -> tuple[str, str | None]:
    """Return the text of the answer, and its header `Connection`."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.read().decode(), answer.getheader("connection")


def begin_to_stop(serving: Serving) -> None:
    serving.process.send_signal(signal.SIGTERM)
    assert said(serving) == "not ready\n"


def said(serving: Serving) -> str:
    assert serving.process.stdout is not None
    return serving.process.stdout.readline()


def close_code(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosedError) as closed:
        socket.recv(60)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def test_requests_and_sockets_are_still_taken_and_answers_end_their_connections(
    connection: tuple[Serving, http.client.HTTPConnection],
) -> None:
    serving, kept = connection
    pid = str(serving.own_port)
    assert get(kept, "/pid") == (pid, None)

    begin_to_stop(serving)

    assert get(kept, "/pid") == (pid, "close")
    assert serving.get("/pid") == pid
    with serving.socket() as socket:
        socket.send("hello")
        assert socket.recv(60) == "hello"

        serving.process.send_signal(signal.SIGINT)

        assert close_code(socket) == CloseCode.SERVICE_RESTART
    assert serving.process.wait(60) == 0
    assert is_free(serving.port)


def test_an_answer_that_is_under_way_is_the_last_one_of_its_connection(
    connection: tuple[Serving, http.client.HTTPConnection],
) -> None:
    serving, kept = connection
    kept.request("GET", "/wait")
    assert said(serving) == "waiting\n"

    begin_to_stop(serving)
    serving.get("/finish")

    answer = kept.getresponse()
    assert (answer.read(), answer.getheader("connection")) == (b"finished", "close")
