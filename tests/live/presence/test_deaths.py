"""Presence when a client, a process or Valkey dies: who is gone goes offline."""

import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from parley.settings import Settings
from tests.faults.proxy import proxy
from tests.live.presence.watching import (
    BRIEF,
    QUICK,
    Clock,
    is_settled,
    look,
    nodes_known,
    offline,
    online,
    passes,
    watching,
)
from tests.live.processes import api_process
from tests.make import Person
from tests.serving import ServedWith, Server
from tests.waiting import eventually


async def test_a_killed_client_goes_offline(
    alice: Person, bob: Person, here: Server, there: Server
) -> None:
    async with watching(alice.at(here), bob) as stream, bob.at(there).socket() as socket:
        assert await stream.event() == online(bob)

        socket.connection.transport.abort()

        await offline(stream, bob)


async def test_a_socket_that_was_cut_without_a_word_goes_offline(
    alice: Person, bob: Person, here: Server, served_with: ServedWith
) -> None:
    async with (
        watching(alice.at(here), bob) as stream,
        served_with(**QUICK | {"ping_interval_s": 0.3, "ping_timeout_s": 2.0}) as there,
        proxy(there.port) as between,
    ):
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
        api_process(settings, tmp_path / "api.log", **BRIEF) as other,
        bob.at(other.server).socket(),
    ):
        assert await stream.event() == online(bob)
        began = await clock()

        other.process.kill()

        seen_at = await offline(stream, bob)
        # As of its last renewal.
        assert began - timedelta(seconds=BRIEF["presence_lease_s"]) < seen_at <= await clock()
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
    served_with: ServedWith,
    settings: Settings,
    tmp_path: Path,
    clock: Clock,
    valkey: Redis,
) -> None:
    # So long that the process holds him again before the others believe that he is not there.
    limits = QUICK | {"presence_settle_s": 4.0}
    async with (
        served_with(**limits) as node,
        watching(alice.at(node), bob) as stream,
        api_process(settings, tmp_path / "api.log", **limits) as other,
    ):
        async with bob.at(other.server).socket():
            assert await stream.event() == online(bob)
            other.process.send_signal(signal.SIGSTOP)
            await valkey.flushall()
            # The other node looks at least once.
            await passes(1.5 * QUICK["presence_poll_s"])
            assert not (await look(alice.at(node), bob))["online"]
            other.process.send_signal(signal.SIGCONT)

            async def is_held_again() -> bool:
                return bool(await look(alice.at(node), bob) == online(bob))

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
