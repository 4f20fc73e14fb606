"""Who may open a socket, with which token and from which page."""

from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from parley.ports import LOOPBACK
from tests.api.test_http import ORIGINS
from tests.client import open_socket
from tests.live.sockets.speaking import VIEWER, answers, subscribe
from tests.make import Person
from tests.serving import ServedWith, Server


async def test_nothing_can_be_asked_before_the_socket_was_let_in(alice: Person) -> None:
    async with open_socket(alice.server) as socket:
        await socket.send(subscribe())

        assert await socket.close_code() == 4401


async def test_two_inits_at_once_close_the_socket(alice: Person) -> None:
    init = {"type": "connection_init", "payload": alice.headers}
    async with open_socket(alice.server) as socket:
        await socket.send(init)
        await socket.send(init)

        assert await socket.close_code() == 4429


@pytest.mark.parametrize("payload", [[], "text", 5])
async def test_an_init_that_is_no_object_closes_the_socket(server: Server, payload: Any) -> None:
    async with open_socket(server) as socket:
        await socket.send({"type": "connection_init", "payload": payload})

        assert await socket.close_code() == 4400


async def test_the_token_may_be_a_header_of_the_upgrade(alice: Person, bob: Person) -> None:
    """Native clients can set headers, and browsers cannot. What `connection_init` says wins."""
    async with open_socket(alice.server, headers=alice.headers) as socket:
        assert await socket.init(None) == {"type": "connection_ack"}
        assert await socket.query(VIEWER) == {"viewer": {"name": "Alice"}}
    async with open_socket(alice.server, headers=alice.headers) as socket:
        assert await socket.init(bob.token) == {"type": "connection_ack"}
        assert await socket.query(VIEWER) == {"viewer": {"name": "Bob"}}


async def test_a_token_in_the_upgrade_that_is_no_good_is_refused(server: Server) -> None:
    async with open_socket(server, headers={"authorization": "Bearer x"}) as socket:
        await socket.send({"type": "connection_init"})

        assert await socket.close_code() == 4401


async def test_the_authorization_may_be_spelled_as_a_header_is(alice: Person) -> None:
    async with open_socket(alice.server) as socket:
        await socket.send(
            {"type": "connection_init", "payload": {"Authorization": f"Bearer {alice.token}"}}
        )
        assert await socket.receive() == {"type": "connection_ack"}
        assert await socket.query(VIEWER) == {"viewer": {"name": "Alice"}}


@pytest.mark.parametrize("value", [None, 5, {}, [], "", "Bearer"])
async def test_an_authorization_that_is_none_closes_the_socket(server: Server, value: Any) -> None:
    async with open_socket(server) as socket:
        await socket.send({"type": "connection_init", "payload": {"authorization": value}})

        assert await socket.close_code() == 4401


async def test_a_silent_socket_is_closed(served_with: ServedWith) -> None:
    async with served_with(connection_init_s=0.1) as server, open_socket(server) as socket:
        assert await socket.close_code() == 4408


async def test_pings_before_the_init_do_not_keep_it_open(served_with: ServedWith) -> None:
    async with served_with(connection_init_s=0.2) as server, open_socket(server) as socket:
        await answers(socket)

        assert await socket.close_code() == 4408


@pytest.mark.parametrize(
    "protocols",
    [["graphql-ws"], [], ["graphql-transport-ws2"], [f"p{n}" for n in range(100)]],
    ids=["legacy", "none", "another", "a hundred"],
)
async def test_other_protocols_are_refused(server: Server, protocols: list[str]) -> None:
    async with open_socket(server, protocols=protocols) as socket:
        assert await socket.close_code() == 4406


async def test_ours_is_taken_among_others(alice: Person) -> None:
    protocols = ["graphql-ws", "graphql-transport-ws"]
    async with open_socket(alice.server, protocols=protocols) as socket:
        assert socket.connection.subprotocol == "graphql-transport-ws"
        assert await socket.init(alice.token) == {"type": "connection_ack"}


@pytest.mark.parametrize(("origin", "allowed"), ORIGINS.items(), ids=list(ORIGINS))
async def test_only_pages_of_our_own_and_of_the_list_may_open_one(
    guarded: Server, origin: str, allowed: bool
) -> None:
    """A page elsewhere could use the visitor's network."""
    headers = {"Origin": origin.format(host=guarded.host)}
    if allowed:
        async with open_socket(guarded, headers=headers) as socket:
            await answers(socket)
        return
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(guarded, headers=headers):
            pass

    assert refused.value.response.status_code == 403


async def test_a_page_whose_name_leads_to_loopback_may_open_none(server: Server) -> None:
    """DNS rebinding: the page's own name is the host that it asks."""
    rebound = f"evil.example:{server.port}"

    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            f"ws://{rebound}/graphql",
            host=LOOPBACK,
            port=server.port,
            origin=Origin(f"http://{rebound}"),
            proxy=None,
        ):
            pass

    assert refused.value.response.status_code == 403


async def test_there_is_one_path(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(server, path="/graphql/other"):
            pass

    assert refused.value.response.status_code == 403
