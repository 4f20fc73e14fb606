"""Presence over two nodes with real sockets: a lease that ends by itself, whatever dies.

The nodes' times are a fraction of those of production. That nothing is shown is shown by what comes
next.
"""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from models.close_codes import CloseCode
from parley.settings import Settings
from tests.live.presence.watching import (
    ANYTHING,
    GRACE,
    IDLE,
    PRESENCE,
    QUICK,
    Clock,
    has_stream,
    holds_of,
    look,
    offline,
    online,
    passes,
    watching,
)
from tests.make import AnotherDevice, MakePerson, Person
from tests.serving import ServedWith, Server, serve
from tests.waiting import eventually

# The clock's times are rounded down.
ROUNDED = timedelta(milliseconds=1)


async def test_first_as_it_is_then_as_it_changes(
    alice: Person, bob: Person, here: Server, there: Server, clock: Clock
) -> None:
    async with watching(alice.at(here), bob) as stream:
        began = await clock()
        async with bob.at(there).socket():
            assert await stream.event() == online(bob)
            assert await look(alice.at(here), bob) == online(bob)
            left = await clock()
        seen_at = await offline(stream, bob)
        told = await clock()

    # Before the grace, not after it.
    assert began <= left <= seen_at <= told - GRACE + ROUNDED
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

        assert await stream.event() == online(bob)
        seen_at = await offline(stream, bob)
        told = await clock()

    assert began <= seen_at <= told - IDLE + ROUNDED


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
    alice: Person, bob: Person, person: MakePerson, here: Server, served_with: ServedWith
) -> None:
    """Whoever comes makes a node look who has gone; Bob would be told of before them."""
    patient = QUICK | {"presence_grace_s": 60.0}
    others = [await person(f"Person {n}") for n in range(4)]
    async with (
        served_with(**patient) as one,
        served_with(**patient) as other,
        watching(alice.at(here), bob, *others) as stream,
        AsyncExitStack() as sockets,
    ):
        async with bob.at(one).socket():
            assert await stream.event() == online(bob)
        left = one
        for node, somebody in zip((other, one, one, other), others, strict=True):
            await eventually(partial(has_no_stream, left, bob))
            await sockets.enter_async_context(somebody.at(left).socket())
            assert await stream.event() == online(somebody)
            async with bob.at(node).socket():
                assert await look(alice.at(here), bob) == online(bob)
            left = node
        assert await look(alice.at(here), bob) == online(bob)


def has_no_stream(node: Server, person: Person) -> bool:
    return not has_stream(node, person)


async def test_a_deploy_shows_nothing_to_who_comes_back_and_the_end_of_who_does_not(
    alice: Person, bob: Person, carol: Person, here: Server, settings: Settings, clock: Clock
) -> None:
    # A grace that is longer than the node takes to close, and Bob to come back.
    limits = replace(settings.limits, **QUICK | {"presence_grace_s": 6.0})
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

        assert await offline(stream, carol) <= gone
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
