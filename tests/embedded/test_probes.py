"""What the supervisor asks of the servers and processes that it keeps up."""

import socket
import threading
from collections.abc import Iterator

import pytest

from parley.commands.serve_several import list_own_ports
from parley.ports import LOOPBACK, listening_socket, own_socket
from parley.settings import Settings, SettingsError
from parley.supervision.probes import http_status, postgresql_answers, postgresql_responds

# "The database system is starting up", as PostgreSQL says it during recovery.
STARTING_UP = b"E\x00\x00\x00\x1eSFATAL\x00C57P03\x00Mstarting up\x00\x00"


@pytest.fixture
def recovering() -> Iterator[int]:
    """The port of a PostgreSQL in recovery that takes no sessions yet."""
    with listening_socket(LOOPBACK, 0, shared=False) as listening:
        listening.listen()
        answering = threading.Thread(target=_answer, args=(listening,), daemon=True)
        answering.start()
        yield listening.getsockname()[1]
        # Ends `accept`, which closing would not.
        listening.shutdown(socket.SHUT_RDWR)
        answering.join()


def _answer(listening: socket.socket) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        with client:
            client.recv(4096)
            client.sendall(STARTING_UP)


def test_postgresql_in_recovery_is_not_up_and_does_not_hang(recovering: int) -> None:
    assert not postgresql_answers(recovering)
    assert postgresql_responds(recovering)


def test_a_process_is_asked_at_the_address_that_it_listens_on() -> None:
    with listening_socket("0.0.0.0", 0, shared=False) as everywhere:
        everywhere.listen()
        port = everywhere.getsockname()[1]
        answering = threading.Thread(target=_say_not_found, args=(everywhere,))
        answering.start()

        assert http_status(port, "/healthz", host="0.0.0.0") == 404
        answering.join()


def _say_not_found(listening: socket.socket) -> None:
    client, _ = listening.accept()
    with client:
        client.recv(4096)
        client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def test_processes_have_own_ports_one_after_the_other_from_the_one_that_is_set() -> None:
    assert list(list_own_ports(Settings(own_port=9001, api_processes=3))) == [9001, 9002, 9003]
    assert len(set(list_own_ports(Settings(api_processes=3)))) == 3


def test_an_own_port_that_cannot_be_had_is_told_by_its_setting() -> None:
    with own_socket(LOOPBACK, 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"^PARLEY_OWN_PORT {port} .* is in use"):
            own_socket(LOOPBACK, port)
    with pytest.raises(SettingsError, match=r"^PARLEY_OWN_HOST 192\.0\.2\.1 cannot be listened on"):
        own_socket("192.0.2.1", 0)
