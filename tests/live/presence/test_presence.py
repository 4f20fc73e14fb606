"""Presence over two nodes with real sockets: a lease that ends by itself, whatever dies.

The nodes' times are a fraction of those of production. That nothing is shown is shown by what comes
next.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from models.close_codes import CloseCode
from models.database import Database
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from tests.client import Json, SocketStream, codes_of, ending
from tests.faults.proxy import proxy
from tests.live.processes import api_process
from tests.make import AnotherDevice, MakePerson, Person
from tests.serving import Server, serve
from tests.waiting import eventually

QUICK: dict[str, Any] = {
    "presence_grace_s": 0.5,
    "presence_idle_s": 1.0,
    "presence_lease_s": 1.5,
    "presence_poll_s": 0.5,
    "presence_settle_s": 1.5,
    "ping_interval_s": 0.3,
    "ping_timeout_s": 0.3,
}

# What passes between measuring how long ago it was and PostgreSQL's clock. Less than the grace.
SLACK = timedelta(seconds=0.3)

PRESENCE = "subscription ($ids: [ID!]!) { presence(userIds: $ids) { userId online lastSeenAt } }"
LOOK = "query ($id: ID!) { user(id: $id) { presence { userId online lastSeenAt } } }"
LOOK_AT_ALL = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { presence { online } } } }"
UPDATE_PRIVACY = """mutation ($input: UpdatePrivacyInput!) {
    updatePrivacy(input: $input) { __typename } }"""
SET_BLOCKED = """mutation ($id: ID!, $blocked: Boolean!) {
    setBlocked(userId: $id, blocked: $blocked) { __typename } }"""
ANYTHING = "{ viewer { id } }"

Clock = Callable[[], Awaitable[datetime]]


@pytest_asyncio.fixture(scope="session")
async def quick_nodes(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    quick = replace(settings, limits=replace(settings.limits, **QUICK))
    async with serve(quick) as one, serve(quick) as other:
        yield one, other


@pytest_asyncio.fixture
async def valkey(embedded: EmbeddedServers) -> AsyncIterator[Redis]:
    client = Redis.from_url(embedded.redis_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def here(server: Server, quick_nodes: tuple[Server, Server], valkey: Redis) -> Server:
    """A node that believes an absence."""
    await eventually(lambda: is_settled(valkey))
    return quick_nodes[0]


@pytest.fixture
def there(here: Server, quick_nodes: tuple[Server, Server]) -> Server:
    return quick_nodes[1]


@pytest.fixture
def clock(database: Database) -> Clock:
    """PostgreSQL's, to whose milliseconds answers are rounded down."""

    async def now() -> datetime:
        found: datetime = await database.fetchval("SELECT date_trunc('milliseconds', now())")
        return found

    return now


@asynccontextmanager
async def watching(viewer: Person, *people: Person) -> AsyncIterator[SocketStream]:
    """Follows the presence of people who are not online and were not seen."""
    async with viewer.follow(PRESENCE, ids=[each.id for each in people]) as stream:
        for _ in people:
            event = await stream.event()
            assert (event["online"], event["lastSeenAt"]) == (False, None)
        yield stream


def online(person: Person) -> Json:
    return {"userId": person.id, "online": True, "lastSeenAt": None}


async def offline(stream: SocketStream, person: Person, within_s: float = 5) -> datetime:
    """The next event says that the person is offline; since when."""
    event = await stream.event(within_s)
    assert (event["userId"], event["online"]) == (person.id, False), event
    return datetime.fromisoformat(event["lastSeenAt"])


async def passes(seconds: float) -> None:
    """The time in which something would be shown, if it were."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    await eventually(lambda: loop.time() >= until, within_s=seconds + 5)


async def look(viewer: Person, person: Person) -> Any:
    return (await viewer.query(LOOK, id=person.id))["user"]["presence"]


async def hide(person: Person, audience: str) -> None:
    changed = await person.mutate(UPDATE_PRIVACY, input={"lastSeen": audience})
    assert changed["__typename"] == "UpdatePrivacyPayload"


async def block(person: Person, other: Person, blocked: bool = True) -> None:
    changed = await person.mutate(SET_BLOCKED, id=other.id, blocked=blocked)
    assert changed["__typename"] == "SetBlockedPayload"


# -------------------------------------------------------------------- coming and going


async def test_first_as_it_is_then_as_it_changes(
    alice: Person, bob: Person, here: Server, there: Server, clock: Clock
) -> None:
    async with watching(alice.at(here), bob) as stream:
        began = await clock()
        async with bob.at(there).socket():
            assert await stream.event() == online(bob)
            assert await look(alice.at(here), bob) == online(bob)
            left = await clock()
        ended = await clock()

        seen_at = await offline(stream, bob)

    assert began < left <= seen_at <= ended + SLACK
    assert await look(alice.at(there), bob) == {
        "userId": bob.id,
        "online": False,
        "lastSeenAt": seen_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


async def test_on_one_node_as_over_two(alice: Person, bob: Person, here: Server) -> None:
    async with watching(alice.at(here), bob) as stream:
        async with bob.at(here).socket():
            assert await stream.event() == online(bob)
        await offline(stream, bob)


async def test_the_last_of_two_devices_decides(
    alice: Person,
    bob: Person,
    another_device: AnotherDevice,
    here: Server,
    there: Server,
    clock: Clock,
) -> None:
    tablet = await another_device(bob)
    async with watching(alice.at(here), bob) as stream:
        async with tablet.at(there).socket():
            async with bob.at(here).socket():
                assert await stream.event() == online(bob)
            # Longer than the grace.
            await eventually(lambda: bob.user.id not in holds_of(here))
            one_left = await clock()
        seen_at = await offline(stream, bob)

    assert seen_at >= one_left


async def test_a_stream_of_server_sent_events_holds_as_well(
    alice: Person, bob: Person, here: Server, there: Server
) -> None:
    async with watching(alice.at(here), bob) as stream:
        async with bob.at(there).listen(PRESENCE, ids=[bob.id]) as own:
            assert await own.event() == online(bob)
            assert await stream.event() == online(bob)
            # Longer than what the request alone would hold.
            await passes(1.5 * QUICK["presence_idle_s"])
            assert await look(alice.at(here), bob) == online(bob)
        await offline(stream, bob)


async def test_a_request_holds_for_a_while(
    alice: Person, bob: Person, here: Server, there: Server, clock: Clock
) -> None:
    async with watching(alice.at(here), bob) as stream:
        began = await clock()
        await bob.at(there).query(ANYTHING)
        answered = await clock()

        assert await stream.event() == online(bob)
        seen_at = await offline(stream, bob)

    assert began <= seen_at <= answered + SLACK


async def test_a_socket_without_a_viewer_holds_nobody(
    alice: Person, bob: Person, here: Server
) -> None:
    stranger = bob.at(here)
    stranger.token = None
    async with watching(alice.at(here), bob) as stream:
        async with stranger.socket():
            pass
        async with bob.at(here).socket():
            assert await stream.event() == online(bob)


async def test_a_reconnect_within_the_grace_shows_nothing(
    alice: Person, bob: Person, here: Server, there: Server, clock: Clock
) -> None:
    async with watching(alice.at(here), bob) as stream:
        async with bob.at(here).socket():
            assert await stream.event() == online(bob)
        for node in (there, here, here, there):
            await passes(QUICK["presence_grace_s"] / 2)
            async with bob.at(node).socket():
                back = await clock()

        seen_at = await offline(stream, bob)

    assert seen_at >= back


async def test_a_deploy_shows_nothing_to_who_comes_back_and_the_end_of_who_does_not(
    alice: Person, bob: Person, carol: Person, here: Server, settings: Settings, clock: Clock
) -> None:
    # A grace that is longer than the node takes to close.
    limits = replace(settings.limits, **QUICK | {"presence_grace_s": 3.0})
    async with watching(alice.at(here), bob, carol) as stream, AsyncExitStack() as sockets:
        async with serve(replace(settings, limits=limits)) as old:
            bobs = await sockets.enter_async_context(bob.at(old).socket())
            assert await stream.event() == online(bob)
            await sockets.enter_async_context(carol.at(old).socket())
            assert await stream.event() == online(carol)
        assert await bobs.close_code() == CloseCode.SERVICE_RESTART
        gone = await clock()
        # Within the grace, the other node looks.
        await passes(1.5 * QUICK["presence_poll_s"])
        await sockets.enter_async_context(bob.at(here).socket())

        assert await offline(stream, carol) <= gone + SLACK
        assert await look(alice.at(here), bob) == online(bob)


async def test_a_change_is_told_to_other_nodes_before_they_look(
    alice: Person, bob: Person, there: Server, served_with: Any
) -> None:
    async with (
        served_with(**QUICK | {"presence_poll_s": 60.0}) as node,
        watching(alice.at(node), bob) as stream,
    ):
        async with bob.at(there).socket():
            assert await stream.event() == online(bob)
        await offline(stream, bob)


# -------------------------------------------------------------------- deaths


async def test_a_killed_client_goes_offline(
    alice: Person, bob: Person, here: Server, there: Server
) -> None:
    async with watching(alice.at(here), bob) as stream, bob.at(there).socket() as socket:
        assert await stream.event() == online(bob)

        socket.connection.transport.abort()

        await offline(stream, bob)


async def test_a_socket_that_was_cut_without_a_word_goes_offline(
    alice: Person, bob: Person, here: Server, there: Server
) -> None:
    async with watching(alice.at(here), bob) as stream, proxy(there.port) as between:
        through = bob.at(Server(there.app, between.port, there.http))
        async with through.socket():
            assert await stream.event() == online(bob)

            for link in between.links:
                link.silent = True

            await offline(stream, bob)


async def test_who_was_online_by_a_killed_process_goes_offline(
    alice: Person, bob: Person, here: Server, settings: Settings, tmp_path: Path, clock: Clock
) -> None:
    async with (
        watching(alice.at(here), bob) as stream,
        api_process(settings, tmp_path / "api.log", **QUICK) as other,
        bob.at(other.server).socket(),
    ):
        assert await stream.event() == online(bob)
        began = await clock()

        other.process.kill()

        seen_at = await offline(stream, bob)
        # As of its last renewal.
        assert began - timedelta(seconds=QUICK["presence_lease_s"]) < seen_at <= await clock()
        assert (await look(alice.at(here), bob))["lastSeenAt"] is not None


async def test_who_comes_back_after_a_process_was_killed_was_never_away(
    alice: Person,
    bob: Person,
    here: Server,
    settings: Settings,
    tmp_path: Path,
    clock: Clock,
    valkey: Redis,
) -> None:
    before = await nodes_known(valkey)
    async with watching(alice.at(here), bob) as stream:
        async with api_process(settings, tmp_path / "api.log", **QUICK) as other:
            async with bob.at(other.server).socket():
                assert await stream.event() == online(bob)
                other.process.kill()
                await other.process.wait()
            async with bob.at(here).socket():

                async def is_buried() -> bool:
                    return await nodes_known(valkey) <= before

                await eventually(is_buried)
                left = await clock()
        assert await offline(stream, bob) >= left


async def test_valkey_loses_everything(
    alice: Person, bob: Person, carol: Person, here: Server, there: Server, valkey: Redis
) -> None:
    """Who is there stays online, who was seen was seen, and who goes then is offline."""
    async with watching(alice.at(here), bob, carol) as stream:
        async with carol.at(there).socket():
            assert await stream.event() == online(carol)
        carol_seen = await offline(stream, carol)
        async with bob.at(there).socket():
            assert await stream.event() == online(bob)

            await valkey.flushall()

            async def is_online_again() -> bool:
                return bool(await look(alice.at(here), bob) == online(bob))

            await eventually(is_online_again)
            seen = (await look(alice.at(here), carol))["lastSeenAt"]
            assert datetime.fromisoformat(seen) == carol_seen
            # The nodes have put all of it back, and believe an absence again.
            await eventually(lambda: is_settled(valkey))
        assert await offline(stream, bob) > carol_seen


async def test_who_is_held_again_late_after_valkey_lost_everything_was_never_away(
    alice: Person,
    bob: Person,
    here: Server,
    settings: Settings,
    tmp_path: Path,
    clock: Clock,
    valkey: Redis,
) -> None:
    async with (
        watching(alice.at(here), bob) as stream,
        api_process(settings, tmp_path / "api.log", **QUICK) as other,
    ):
        async with bob.at(other.server).socket():
            assert await stream.event() == online(bob)
            other.process.send_signal(signal.SIGSTOP)
            await valkey.flushall()
            # The other node looks at least once.
            await passes(1.5 * QUICK["presence_poll_s"])
            assert not (await look(alice.at(here), bob))["online"]
            other.process.send_signal(signal.SIGCONT)

            async def is_held_again() -> bool:
                return bool(await look(alice.at(here), bob) == online(bob))

            await eventually(is_held_again)
            left = await clock()
        assert await offline(stream, bob) >= left


async def test_who_goes_while_valkey_has_lost_everything_does_not_stick(
    alice: Person, bob: Person, here: Server, there: Server, valkey: Redis
) -> None:
    async with watching(alice.at(here), bob) as stream:
        async with bob.at(there).socket() as socket:
            assert await stream.event() == online(bob)
            await valkey.flushall()
            socket.connection.transport.abort()

        await offline(stream, bob)


async def test_what_valkey_keeps_by_mistake_does_not_stick(
    alice: Person, bob: Person, here: Server, there: Server, valkey: Redis
) -> None:
    """As after a failover that forgot the last writes: the entry is there, the user is not."""
    async with watching(alice.at(here), bob) as stream:
        async with bob.at(there).socket():
            assert await stream.event() == online(bob)
            kept: Any = await valkey.hget("parley:{presence}:users", bob.user.id)
        await offline(stream, bob)

        await valkey.hset("parley:{presence}:users", bob.user.id, kept)
        await valkey.sadd("parley:{presence}:of:" + kept.decode(), bob.user.id)
        assert await stream.event() == online(bob)
        # Whatever makes the node hold its users again: here, that its lease is gone.
        await valkey.delete("parley:{presence}:node:" + kept.decode())

        await offline(stream, bob)


# -------------------------------------------------------------------- who may see it


@pytest.mark.parametrize("contacts", [True, False])
@pytest.mark.parametrize(("mine", "theirs"), [("EVERYONE", "CONTACTS"), ("CONTACTS", "EVERYONE")])
async def test_contacts_are_those_who_sent_each_other_a_message(
    alice: Person, bob: Person, chat: str, here: Server, mine: str, theirs: str, contacts: bool
) -> None:
    await alice.say(chat, "Hello?")
    if contacts:
        await bob.say(chat, "Hello.")
    await hide(alice, mine)
    await hide(bob, theirs)

    assert (await look(alice, bob) is not None) is contacts
    assert (await look(bob, alice) is not None) is contacts


@pytest.mark.parametrize("who", ["viewer", "user"])
async def test_nobody_s_is_hidden_and_so_is_what_they_could_see(
    alice: Person, bob: Person, here: Server, there: Server, who: str
) -> None:
    await hide(alice if who == "viewer" else bob, "NOBODY")
    viewer = alice.at(here)
    async with (
        bob.at(there).socket(),
        viewer.follow(PRESENCE, ids=[bob.id, alice.id]) as stream,
    ):
        # The viewer sees their own all the same; it would come after Bob's.
        assert await stream.event() == online(alice)
        assert await look(viewer, bob) is None
        assert await look(bob.at(there), alice) is None
        assert await look(viewer, alice) == online(alice)


async def test_hiding_is_believed_at_once_and_says_offline_with_nothing_else(
    alice: Person, bob: Person, here: Server, there: Server
) -> None:
    async with watching(alice.at(here), bob) as stream, bob.at(there).socket():
        assert await stream.event() == online(bob)

        await hide(bob.at(there), "NOBODY")
        assert await stream.event() == online(bob) | {"online": False}

        await hide(bob.at(there), "EVERYONE")
        assert await stream.event() == online(bob)

        # What the viewer hides is as good, at whichever node they say so.
        for node in (there, here):
            await hide(alice.at(node), "NOBODY")
            assert await stream.event() == online(bob) | {"online": False}
            await hide(alice.at(node), "EVERYONE")
            assert await stream.event() == online(bob)


@pytest.mark.parametrize("who", ["viewer", "user"])
async def test_a_block_hides_it_at_once_and_its_end_shows_it(
    alice: Person, bob: Person, here: Server, there: Server, who: str
) -> None:
    blocker, blocked = (alice, bob) if who == "viewer" else (bob, alice)
    async with watching(alice.at(here), bob) as stream, bob.at(there).socket():
        assert await stream.event() == online(bob)

        await block(blocker.at(there), blocked)
        assert await stream.event() == online(bob) | {"online": False}
        assert await look(alice.at(here), bob) is None

        await block(blocker.at(there), blocked, False)
        assert await stream.event() == online(bob)


async def test_who_does_not_exist_is_as_one_who_hides(
    alice: Person, bob: Person, here: Server
) -> None:
    await hide(bob, "NOBODY")
    asked = [bob.id, "usr_" + "0" * 32, "chn_" + "0" * 32, "nobody", alice.id, alice.id]

    async with alice.at(here).follow(PRESENCE, ids=asked) as stream:
        assert await stream.event() == online(alice)


async def test_at_most_a_hundred_can_be_named(alice: Person, here: Server) -> None:
    async with alice.at(here).follow(PRESENCE, ids=[alice.id] * 101) as stream:
        assert (await ending(stream)).codes == ["INVALID_INPUT"]


async def test_what_one_viewer_follows_is_bounded(
    alice: Person, bob: Person, served_with: Any
) -> None:
    async with served_with(presence_followed=2) as node:
        async with alice.at(node).follow(PRESENCE, ids=[alice.id, bob.id]) as stream:
            assert await stream.event() == online(alice)
            async with alice.at(node).follow(PRESENCE, ids=[alice.id]) as second:
                assert (await ending(second)).codes == ["RATE_LIMITED"]
        async with alice.at(node).follow(PRESENCE, ids=[alice.id]) as third:
            assert await third.event() == online(alice)


async def test_many_people_are_looked_up_together(
    alice: Person, person: MakePerson, here: Server
) -> None:
    people = [await person(f"Person {n}") for n in range(20)]
    async with people[3].at(here).socket():
        ids = [each.id for each in people]

        found = await alice.at(here).query(LOOK_AT_ALL, ids=ids)

    shown = [each["presence"]["online"] for each in found["nodes"]]
    assert shown == [n == 3 for n in range(20)]


async def test_a_signed_out_visitor_sees_nothing(alice: Person, bob: Person, here: Server) -> None:
    visitor = bob.at(here)
    visitor.token = None

    response = await visitor.post(LOOK, id=alice.id)

    assert response.status_code == 401
    assert codes_of(response.json()["errors"]) == ["UNAUTHENTICATED"]


# -------------------------------------------------------------------- what tests may know


def holds_of(node: Server) -> Any:
    return node.app._process.presence._holds


async def nodes_known(valkey: Redis) -> set[bytes]:
    """Those that live, and those that nobody has buried."""
    nodes: Any = await valkey.zrange("parley:{presence}:nodes", 0, -1)
    return set(nodes)


async def is_settled(valkey: Redis) -> bool:
    since = await valkey.get("parley:{presence}:since")
    seconds, micros = await valkey.time()
    now_ms = seconds * 1000 + micros // 1000
    return since is not None and now_ms - int(since) > QUICK["presence_settle_s"] * 1000
