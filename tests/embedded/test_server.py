"""An API process from outside: its two sockets, and how it ends."""

import concurrent.futures
import json
import signal
import urllib.error

import pytest
from websockets.exceptions import ConnectionClosedError

from models.close_codes import CloseCode
from models.limits.limits import Limits
from parley.ports import is_free
from tests.embedded.conftest import Serve


def test_processes_share_one_port_and_have_one_each(serve: Serve) -> None:
    first = serve()
    second = serve(first.port)

    assert first.get("/pid", first.own_port) == str(first.own_port)
    assert first.get("/pid", second.own_port) == str(second.own_port)
    answering = {first.get("/pid") for _ in range(40)}
    assert answering == {str(first.own_port), str(second.own_port)}


def test_a_stop_finishes_requests_takes_no_new_ones_and_closes_sockets_with_1012(
    serve: Serve,
) -> None:
    serving = serve()
    with serving.socket() as socket, concurrent.futures.ThreadPoolExecutor() as pool:
        socket.send("hello")
        assert socket.recv(60) == "hello"
        waiting = pool.submit(serving.get, "/wait")
        assert serving.process.stdout is not None
        assert serving.process.stdout.readline() == "waiting\n"

        serving.process.send_signal(signal.SIGTERM)

        assert waiting.result(60) == "finished"
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.SERVICE_RESTART
    assert serving.process.wait(60) == 0
    assert is_free(serving.port)


def test_a_frame_above_the_limit_closes_its_socket_with_1009(serve: Serve) -> None:
    with serve().socket() as socket:
        socket.send("x" * Limits().frame_bytes)
        assert len(socket.recv(60)) == Limits().frame_bytes

        socket.send("x" * (Limits().frame_bytes + 1))

        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.MESSAGE_TOO_BIG


def test_an_unexpected_failure_is_logged_without_its_text(serve: Serve) -> None:
    serving = serve()

    with pytest.raises(urllib.error.HTTPError) as failed:
        serving.get("/fail?text=whispered")
    failed.value.close()

    serving.process.send_signal(signal.SIGTERM)
    log = serving.process.communicate(timeout=60)[1]
    assert "whispered" not in log
    (line,) = map(json.loads, log.splitlines())
    assert line["level"] == "error"
    assert line["error"].startswith("builtins.ValueError\n")
    assert "serving.py" in line["error"]
