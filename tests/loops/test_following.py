"""Loops of what is followed go on after an error that nobody thought of: the node, its broker,
signals, receipts, presence, sessions.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from models import ids
from models.devices.sessions import Sessions
from models.limits.buckets import Buckets
from models.log.positions import Moved
from models.log.signals import Signalled, ViewerChanged
from models.postgresql.database import Database
from models.tokens import Tokens
from subscriptions.buckets import Refill
from subscriptions.connections import Connections, Owner
from subscriptions.feed import Feed
from subscriptions.hub import Hub
from subscriptions.nodes.broker import Broker
from subscriptions.nodes.messages import FORMATS, NEWEST
from subscriptions.nodes.node import Node, topic_of
from subscriptions.presence.presence import NodePresence
from subscriptions.presence.watch import PresenceWatch
from subscriptions.receipts import Receipts
from subscriptions.secret_watch import SecretWatch
from subscriptions.session_watch import SessionWatch
from subscriptions.signaller import Signaller
from subscriptions.viewer_states import ViewerStates
from tests.conftest import SECRET
from tests.loops.failing import (
    Cases,
    Failing,
    FailingDatabase,
    Ground,
    Trigger,
    goes_on,
    nothing,
    runs,
)
from tests.loops.test_workers import NobodyElse
from tests.unit.feeds.test_feed import Log

SOMETHING = [Signalled(ViewerChanged(), ["ann"])]
Picks = Callable[[Sequence[object]], bool]


def none(args: Sequence[object]) -> bool:
    return False


# -------------------------------------------------------------------- the node


@asynccontextmanager
async def node(
    ground: Ground,
    fails: Picks = none,
    *,
    database: Database | None = None,
    on_signals: Callable[[object], None] = lambda signals: None,
    trigger: Callable[[Node, Redis], Trigger] = lambda node, valkey: nothing,
) -> AsyncIterator[Trigger]:
    async with ground.failing_valkey(fails) as valkey:
        part = Node(
            valkey=valkey,
            database=database or ground.database,
            hub=Hub(ground.database, replay_entries=1),
            on_repaired=lambda: None,
            on_signals=on_signals,
            loops=ground.loops,
            beat_s=0.02,
        )
        await part.open()
        yield trigger(part, valkey)
        await part.close()


def node_lease(ground: Ground) -> Any:
    return node(ground, runs("marks", "registry_lease", last=1))


def node_registry(ground: Ground) -> Any:
    """Whoever waits for it is not left waiting."""
    return node(
        ground,
        runs("registry_add"),
        trigger=lambda part, valkey: lambda: part.add_user(ids.new_id()),
    )


def node_repair(ground: Ground) -> Any:
    """Begun by a message that cannot be read."""
    database = FailingDatabase(ground.database, ground.failing)
    return node(ground, database=database, trigger=lambda part, valkey: told(part, valkey, b"?"))


def node_follow(ground: Ground) -> Any:
    """Ended by a cancellation of something else than itself, which nothing but the loop catches."""
    ground.failing.error = asyncio.CancelledError()
    return node(
        ground,
        on_signals=lambda signals: ground.failing.call(),
        trigger=lambda part, valkey: told(
            part, valkey, FORMATS.write_signals(SOMETHING, reads=NEWEST)
        ),
    )


def told(part: Node, valkey: Redis, message: bytes) -> Trigger:
    async def tell() -> None:
        await valkey.publish(topic_of(part.id), message)

    return tell


@asynccontextmanager
async def broker(ground: Ground) -> AsyncIterator[Trigger]:
    async with ground.failing_valkey(lambda args: args[0] == "PUBSUB") as valkey:
        part = Broker(valkey, lambda: None, loops=ground.loops)
        await part.open()
        following = asyncio.create_task(part.follow("topic", lambda message: None))
        yield nothing
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await part.close()


# -------------------------------------------------------------------- signals, receipts, sessions


@asynccontextmanager
async def signals(ground: Ground) -> AsyncIterator[Trigger]:
    hub = Hub(ground.database, replay_entries=1)
    states = ViewerStates(ground.database, hub, unread_most=1)
    part = Signaller(hub, states, on_viewer_changed=lambda user_id: None, loops=ground.loops)
    part.start(cast(Node, NobodyElse(ground.failing)))

    async def announce() -> None:
        part.announce(SOMETHING)

    yield announce
    await part.close()


@asynccontextmanager
async def receipts(ground: Ground) -> AsyncIterator[Trigger]:
    part = Receipts(ground.failing_database, lambda signals: None, loops=ground.loops)
    part.start()

    async def move() -> None:
        part.on_moved([Moved(ids.new_id(), ids.new_id(), 2, 0, True, 2, 0, 1, 0)])

    yield move
    await part.close()


@asynccontextmanager
async def buckets(ground: Ground) -> AsyncIterator[Trigger]:
    async with ground.failing_valkey(runs("take_tokens")) as valkey:
        asked = Buckets(ground.limits)
        # More than is taken on credit before it is reported.
        asked_at_once = ground.limits.sends_per_user.amount // 8
        part = Refill(valkey, asked, ground.loops)
        part.start()

        async def take() -> None:
            user_id = ids.new_id()
            for _ in range(asked_at_once):
                asked.take("sends_per_user", user_id)

        yield take
        await part.close()


@asynccontextmanager
async def secrets(ground: Ground) -> AsyncIterator[Trigger]:
    tokens = Tokens(SECRET, ground.limits)
    async with ground.failing_valkey(runs("show_secret")) as valkey:
        part = SecretWatch(valkey, tokens, ground.loops, every_s=0.05)
        part.start()
        yield nothing
        await part.close()


@asynccontextmanager
async def connections(ground: Ground) -> AsyncIterator[Trigger]:
    """Whoever waits for a connection gets one."""
    async with ground.failing_valkey(runs("hold_connections")) as valkey:
        part = Connections(valkey, "here", ground.limits, ground.loops)
        part.start()

        async def take() -> None:
            await part.take((Owner("connections_per_user", ids.new_id()),))

        yield take
        await part.close()


class NobodyRevoked:
    def __init__(self, failing: Failing) -> None:
        self._failing = failing

    async def list_revoked(self, within_s: float) -> list[tuple[str, str]]:
        return await self._failing.giving([])


@asynccontextmanager
async def session_poll(ground: Ground) -> AsyncIterator[Trigger]:
    sessions = cast(Sessions, NobodyRevoked(ground.failing))
    part = SessionWatch(sessions, notice_s=60, loops=ground.loops)
    part.start()
    yield nothing
    await part.close()


# -------------------------------------------------------------------- presence


@asynccontextmanager
async def presence_of_node(ground: Ground, fails: Picks) -> AsyncIterator[Trigger]:
    async with ground.failing_valkey(fails) as valkey:
        part = NodePresence(
            valkey=valkey,
            database=ground.database,
            node_id="here",
            limits=ground.limits,
            on_changed=lambda user_ids: None,
            on_streams_ended=lambda user_id: None,
            on_held_again=lambda: None,
            loops=ground.loops,
        )
        part.start()

        async def touch() -> None:
            part.touch(ids.new_id())

        yield touch
        await part.close()


def presence(ground: Ground) -> Any:
    return presence_of_node(ground, runs("leases", "leases_hold"))


def presence_renew(ground: Ground) -> Any:
    return presence_of_node(ground, runs("leases", "marks", "leases_renew", last=1))


def presence_bury(ground: Ground) -> Any:
    return presence_of_node(ground, runs("leases", "leases_find_dead"))


class Online:
    """Everybody is online, if they can be asked for."""

    def __init__(self, failing: Failing) -> None:
        self._failing = failing

    async def look_up(self, user_ids: Sequence[str]) -> Mapping[str, bool | None]:
        return await self._failing.giving(dict.fromkeys(user_ids, True))


@asynccontextmanager
async def presence_watch(
    ground: Ground, fails: Picks = none, *, poll_s: float = 60
) -> AsyncIterator[Trigger]:
    async with ground.failing_valkey(fails) as valkey:
        # Where Valkey fails, nothing else does.
        failing = ground.failing if fails is none else Failing(failed=True)
        part = PresenceWatch(
            valkey=valkey,
            database=ground.database,
            node=cast(Node, NobodyElse()),
            presence=cast(NodePresence, Online(failing)),
            limits=dataclasses.replace(ground.limits, presence_poll_s=poll_s),
            loops=ground.loops,
        )
        part.start()
        part.follow(Feed(Log(), ids.new_id(), ids.new_id(), kind="presence"), [ids.new_id()])

        async def change() -> None:
            part.announce_changes([ids.new_id()])

        yield change
        await part.close()


def presence_show(ground: Ground) -> Any:
    return presence_watch(ground)


def presence_tell(ground: Ground) -> Any:
    return presence_watch(ground, runs("registry_look_up"))


def presence_poll(ground: Ground) -> Any:
    """Showing looks as well."""
    ground.failing.only_in = "presence_poll"
    return presence_watch(ground, poll_s=0.05)


CASES: Cases = {
    "broker": broker,
    "node_follow": node_follow,
    "node_lease": node_lease,
    "node_registry": node_registry,
    "node_repair": node_repair,
    "signals": signals,
    "receipts": receipts,
    "buckets": buckets,
    "connections": connections,
    "secrets": secrets,
    "session_poll": session_poll,
    "presence": presence,
    "presence_renew": presence_renew,
    "presence_bury": presence_bury,
    "presence_show": presence_show,
    "presence_tell": presence_tell,
    "presence_poll": presence_poll,
}


@pytest.mark.parametrize("name", CASES)
async def test_a_loop_goes_on(name: str, ground: Ground) -> None:
    await goes_on(name, ground, CASES[name])
