"""How many sockets and streams one user, or one address, may hold open: over two nodes, under
production's limits.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed

from models.close_codes import CloseCode
from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.refusals import Refused
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from subscriptions.connections import AT_ONCE, Connections, HeldConnection, Owner
from tests.client import ApiClient, Ended, Socket, codes_of, open_socket
from tests.live.processes import api_process
from tests.make import Person
from tests.serving import ServedWith, Server, serve
from tests.waiting import eventually, steps

MOST = Limits().connections_per_user
INBOX = "subscription { inbox { __typename } }"


@pytest_asyncio.fixture(scope="module")
async def production(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    strict = replace(settings, limits=Limits(), trusted_proxies=("127.0.0.1",))
    async with serve(strict) as one, serve(strict) as other:
        yield one, other


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    client = Redis.from_url(embedded.redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def everywhere(alice: Person, production: tuple[Server, Server]) -> list[Person]:
    """Alice at both nodes."""
    return [alice.at(node) for node in production]


async def is_let_in(socket: Socket, token: str | None) -> bool:
    """Whether the socket is acknowledged. Else it was closed with 1013, and clients try again."""
    try:
        return bool((await socket.init(token))["type"] == "connection_ack")
    except Ended as ended:
        code: int | None = ended.ending.close_code
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
    assert code == CloseCode.TRY_AGAIN_LATER
    return False


async def open_one(stack: AsyncExitStack, person: ApiClient, address: str = "192.0.2.1") -> bool:
    """Open a socket that stays open, as a proxy does that says for whom."""
    opened = open_socket(person.server, headers={"x-forwarded-for": address})
    return await is_let_in(await stack.enter_async_context(opened), person.token)


async def open_many(
    stack: AsyncExitStack, people: Sequence[ApiClient], count: int, address: str = "192.0.2.1"
) -> int:
    """All at once, in turn at each node; how many were let in."""
    opened = [open_one(stack, people[n % len(people)], address) for n in range(count)]
    return sum(await asyncio.gather(*opened))


async def test_a_user_has_twenty_sockets_over_all_nodes(
    everywhere: list[Person], bob: Person
) -> None:
    async with AsyncExitStack() as stack:
        assert await open_many(stack, everywhere, 3 * MOST) == MOST
        # Others feel nothing.
        assert await open_many(stack, [bob.at(everywhere[0].server)], MOST) == MOST


async def test_streams_of_server_sent_events_count_with_the_sockets(
    everywhere: list[Person],
) -> None:
    one, other = everywhere
    async with AsyncExitStack() as stack:
        assert await open_many(stack, [one], MOST - 2) == MOST - 2
        streams = [await stack.enter_async_context(other.listen(INBOX)) for _ in range(2)]
        for stream in streams:
            assert (await stream.event())["__typename"] == "InboxReady"

        async with asyncio.timeout(60):
            refused = await other.server.http.post(
                other.server.url,
                json={"query": INBOX},
                headers={**other.headers, "accept": "text/event-stream"},
            )

        assert refused.status_code == 429
        assert codes_of(refused.json()["errors"]) == ["RATE_LIMITED"]
        (error,) = refused.json()["errors"]
        assert error["extensions"]["retryAfterMs"] == 1000 * int(refused.headers["retry-after"])
        assert not await open_one(stack, one)


async def test_what_was_closed_may_be_opened_again_anywhere(everywhere: list[Person]) -> None:
    one, other = everywhere
    async with AsyncExitStack() as kept:
        assert await open_many(kept, [one], MOST - 1) == MOST - 1
        for _ in range(3):
            async with AsyncExitStack() as last:

                async def opens(last: AsyncExitStack = last) -> bool:
                    return await open_one(last, other)

                assert await eventually(opens)
                assert not await open_one(last, one)


async def test_nothing_is_left_of_refused_and_closed_sockets(
    everywhere: list[Person], valkey: Redis
) -> None:
    async with AsyncExitStack() as stack:
        await open_many(stack, everywhere, 3 * MOST)
        assert await valkey.exists(key_of(everywhere[0]))

    async def nothing_is_held() -> bool:
        return not await valkey.exists(key_of(everywhere[0]))

    await eventually(nothing_is_held)


async def test_an_address_has_a_hundred_sockets_of_those_who_are_not_signed_in(
    production: tuple[Server, Server], alice: Person
) -> None:
    most, address = Limits().signed_out_connections_per_address, "192.0.2.2"
    nobody = [ApiClient(node) for node in production]
    async with AsyncExitStack() as stack:
        assert await open_many(stack, nobody, most + 30, address) == most

        # Nobody there gets as far as signing in; other addresses feel nothing.
        assert not await open_one(stack, alice.at(production[0]), address)
        assert await open_one(stack, alice.at(production[0]), "192.0.2.3")


async def test_who_says_nothing_counts_as_not_signed_in(
    served_with: ServedWith, alice: Person
) -> None:
    async with served_with(signed_out_connections_per_address=3) as node, AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(open_socket(node))

        async def is_full() -> bool:
            return not await open_one(stack, alice.at(node))

        await eventually(is_full)


async def test_signing_in_leaves_the_place_of_who_was_not(
    everywhere: list[Person], person: Any
) -> None:
    """120 who sign in, where 100 may be who have not."""
    async with AsyncExitStack() as stack:
        for n in range(6):
            other = (await person(f"Person {n}")).at(everywhere[n % 2].server)
            assert await open_many(stack, [other], MOST) == MOST


async def test_an_address_has_so_many_sockets_of_all_who_are_signed_in(
    settings: Settings, alice: Person, bob: Person
) -> None:
    limits = replace(Limits(), connections_per_address=5)
    proxied = replace(settings, limits=limits, trusted_proxies=("127.0.0.1",))
    async with serve(proxied) as node, AsyncExitStack() as stack:
        assert await open_many(stack, [alice.at(node)], 4, "192.0.2.4") == 4
        assert await open_many(stack, [bob.at(node)], 3, "192.0.2.4") == 1
        assert await open_many(stack, [bob.at(node)], 3, "192.0.2.5") == 3


async def test_sockets_of_a_killed_process_do_not_count_for_ever(
    everywhere: list[Person], settings: Settings, alice: Person, valkey: Redis, tmp_path: Path
) -> None:
    """They end with its lease."""
    strict = replace(settings, environment="production")
    async with api_process(strict, tmp_path / "log") as killed, AsyncExitStack() as stack:
        assert await open_many(stack, [alice.at(killed.server)], MOST) == MOST
        assert not await open_one(stack, everywhere[0])
        killed.process.kill()
        await killed.process.wait()
        await end_lease(valkey, alice)

        async def is_free() -> bool:
            return await open_one(stack, everywhere[0])

        await eventually(is_free)


def key_of(person: Person) -> str:
    return f"parley:{{registry}}:connections:connections_per_user:{person.user.id}"


async def end_lease(valkey: Redis, person: Person) -> None:
    """Let the 10 s pass for which the node lives on that holds the person's connections."""
    held: Any = valkey.hkeys(key_of(person))
    (node_id,) = await held
    assert await valkey.pexpire(f"parley:{{registry}}:node:{node_id.decode()}", 1)


async def test_counts_come_back_after_valkey_has_lost_everything(
    everywhere: list[Person], valkey: Redis
) -> None:
    one, other = everywhere
    async with AsyncExitStack() as stack:
        assert await open_many(stack, [one], MOST) == MOST
        await valkey.flushdb()

        async def is_written_again() -> bool:
            held: Any = valkey.hvals(key_of(one))
            return [int(count) for count in await held] == [MOST]

        await eventually(is_written_again)
        assert not await open_one(stack, other)


async def test_who_asks_over_http_is_not_counted(everywhere: list[Person]) -> None:
    async with AsyncExitStack() as stack:
        await open_many(stack, everywhere, MOST)

        assert await everywhere[0].errors("{ viewer { id } }") == []
        assert await ApiClient(everywhere[0].server).errors("{ limits { pageSize } }") == []


async def test_while_valkey_is_away_each_node_counts_for_itself(alice: Person) -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    for node_id in ("one", "other"):
        connections = Connections(nowhere, node_id, Limits())
        connections.start()
        viewer = Viewer(alice.user, alice.inner_device_id, datetime.now(UTC))
        held = [HeldConnection(connections, "192.0.2.1") for _ in range(MOST + 5)]

        opened = await asyncio.gather(*(each.hold(viewer) for each in held), return_exceptions=True)
        assert sum(each is None for each in opened) == MOST
        assert {type(each) for each in opened if each is not None} == {Refused}

        held[0].end()
        await held[-1].hold(viewer)
        await connections.close()
    await nowhere.aclose()


async def test_who_gives_up_while_it_is_decided_holds_nothing(alice: Person, valkey: Redis) -> None:
    connections = Connections(valkey, "somebody", Limits())
    connections.start()
    viewer = Viewer(alice.user, alice.inner_device_id, datetime.now(UTC))
    waiting = [
        asyncio.create_task(HeldConnection(connections, "192.0.2.1").hold(viewer))
        for _ in range(MOST)
    ]
    await steps(2)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    another = HeldConnection(connections, "192.0.2.1")
    await another.hold(viewer)
    assert connections.held(Owner("connections_per_user", alice.user.id)) == 1
    another.end()
    await connections.close()


async def test_a_storm_of_openings_is_decided_without_a_pause_between_calls(
    alice: Person, valkey: Redis
) -> None:
    """The pause is for what has ended; here each round is taken by hand."""
    connections = Connections(valkey, "stormy", replace(Limits(), connections_per_user=2000))
    viewer = Viewer(alice.user, alice.inner_device_id, datetime.now(UTC))
    storm = [
        asyncio.create_task(HeldConnection(connections, "192.0.2.9").hold(viewer))
        for _ in range(2 * AT_ONCE + 1)
    ]
    await steps(2)

    for decided in (AT_ONCE, 2 * AT_ONCE):
        await connections._ask()
        await steps(2)
        assert sum(task.done() for task in storm) == decided
        assert connections._urgent.is_set()
    await connections._ask()
    await asyncio.gather(*storm)
    assert not connections._urgent.is_set()
