"""Watch the presence of people, and change who may see it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from subscriptions.presence.leases import Leases
from subscriptions.scripts import Valkey
from tests.client import Json, SocketStream
from tests.make import Person
from tests.serving import Server
from tests.waiting import eventually

QUICK: dict[str, Any] = {
    "presence_grace_s": 0.5,
    "presence_idle_s": 1.0,
    "presence_lease_s": 3.0,
    "presence_poll_s": 0.5,
    "presence_settle_s": 2.5,
}
GRACE = timedelta(seconds=QUICK["presence_grace_s"])
IDLE = timedelta(seconds=QUICK["presence_idle_s"])
# Of a process that is going to be killed.
BRIEF = QUICK | {"presence_lease_s": 1.5}

PRESENCE = "subscription ($ids: [ID!]!) { presence(userIds: $ids) { userId online lastSeenAt } }"
LOOK = "query ($id: ID!) { user(id: $id) { presence { userId online lastSeenAt } } }"
LOOK_AT_ALL = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { presence { online } } } }"
UPDATE_PRIVACY = """mutation ($input: UpdatePrivacyInput!) {
    updatePrivacy(input: $input) { __typename } }"""
SET_BLOCKED = """mutation ($id: ID!, $blocked: Boolean!) {
    setBlocked(userId: $id, blocked: $blocked) { __typename } }"""
ANYTHING = "{ viewer { id } }"

Clock = Callable[[], Awaitable[datetime]]


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


async def offline(stream: SocketStream, person: Person, within_s: float = 60) -> datetime:
    """Take the next event, which says that the person is offline. Return since when."""
    event = await stream.event(within_s)
    assert (event["userId"], event["online"]) == (person.id, False), event
    return datetime.fromisoformat(event["lastSeenAt"])


async def passes(seconds: float) -> None:
    """The time in which something would be shown, if it were."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    await eventually(lambda: loop.time() >= until, within_s=seconds + 60)


async def look(viewer: Person, person: Person) -> Any:
    return (await viewer.query(LOOK, id=person.id))["user"]["presence"]


async def hide(person: Person, audience: str) -> None:
    changed = await person.mutate(UPDATE_PRIVACY, input={"lastSeen": audience})
    assert changed["__typename"] == "UpdatePrivacyPayload"


async def block(person: Person, other: Person, blocked: bool = True) -> None:
    changed = await person.mutate(SET_BLOCKED, id=other.id, blocked=blocked)
    assert changed["__typename"] == "SetBlockedPayload"


def holds_of(node: Server) -> Any:
    return node.app._process.presence._holds


def has_stream(node: Server, person: Person) -> bool:
    """Return whether anything of the person is open at the node."""
    holds = holds_of(node)
    return person.user.id in holds and person.user.id not in holds._ending


async def nodes_known(valkey: Redis) -> set[bytes]:
    """Those that live, and those that nobody has buried."""
    nodes: Any = await valkey.zrange("parley:{presence}:nodes", 0, -1)
    return set(nodes)


async def is_settled(valkey: Valkey) -> bool:
    """Return whether Valkey has kept all for long enough, in every group that it has."""
    held = await Leases(valkey, "nobody").look_up([f"anybody {number}" for number in range(1000)])
    settle_s: float = QUICK["presence_settle_s"]
    return held.kept_s > settle_s
