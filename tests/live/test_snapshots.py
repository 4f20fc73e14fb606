"""Snapshot + events = fresh snapshot: for every mutation of the
schema, for everybody whom it may concern, with their streams open throughout, and cut and resumed.

What is in a log must be right as soon as the copy is as far as the log is; what is in none, soon.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest

from clients.python.reducer import FETCH, FOLLOW, LIST, STATE, Json, Replica
from parley.schema import make_schema
from resolvers.mutation_facts import MUTATIONS
from tests.client import SocketStream
from tests.make import AnotherDevice, MakePerson, Person
from tests.serving import Server
from tests.snapshots.cases import CASES, EXEMPT
from tests.snapshots.world import Case, make_world

WITHIN_S = 60.0
VIEWER = """query { viewer { id name about avatar { id } } blockedUsers { nodes { id } }
    privacy { lastSeen readReceipts addToGroups } devices { id name platform } }"""
# What is in no log.
LAST = "the last"
OF_STREAMS = {"InboxReady", "InboxProgress", "LogAdvanced"}
LOGGED = {"MessageAdded", "MessageUpdated", "ChannelUpdated"}
UNLOGGED = ("position", "mutedUntil", "unreadCount")


def test_every_mutation_has_a_case_or_a_reason() -> None:
    mutation_type = make_schema()._schema.mutation_type
    assert mutation_type is not None

    with_case = {case.mutation for case in CASES}

    assert with_case | EXEMPT.keys() == set(mutation_type.fields)
    assert not with_case & EXEMPT.keys()


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_snapshot_and_events_are_a_fresh_snapshot(
    person: MakePerson, another_device: AnotherDevice, other_server: Server, case: Case
) -> None:
    world = await make_world(person, another_device)
    if case.prepare is not None:
        await case.prepare(world)
    second_device = await another_device(getattr(world, case.actor))
    # Max, Lea and the actor's second device are at the other node.
    olga, *others, eva, nora = world.people
    viewers = [olga, eva, nora, *(each.at(other_server) for each in (*others, second_device))]

    async with AsyncExitStack() as stack:
        throughout = [await Copy.take(viewer) for viewer in viewers]
        for copy in throughout:
            await stack.enter_async_context(copy.follows())
        # Their streams were cut here.
        cut = [copy.twin() for copy in throughout]

        done = await case.act(world)
        assert done["__typename"] != "Refusal", done
        for viewer in world.people:
            # What else is under way to them comes before it.
            await viewer.say(await viewer.open_chat(viewer), LAST)

        expected = [await Copy.take(viewer) for viewer in viewers]
        for copy, fresh in zip(throughout, expected, strict=True):
            await copy.become(fresh, case)
        require_declared(case, {type_ for copy in throughout for type_ in copy.told})

    for copy, fresh in zip(cut, expected, strict=True):
        async with copy.follows():
            await copy.become(fresh, case)


def require_declared(case: Case, told: set[str]) -> None:
    """Check that what was told is what the mutation's description says; what is in a log, all."""
    declared = {type_ for type_, _ in MUTATIONS[case.mutation].events}
    others = {type_ for name in case.also for type_, _ in MUTATIONS[name].events}
    assert told <= declared | others, (case.mutation, told)
    assert declared & LOGGED <= told, (case.mutation, told)


class Copy:
    """One viewer's replica, and what else a client shows."""

    def __init__(self, viewer: Person, replica: Replica, shown: Json) -> None:
        self.viewer = viewer
        self.replica = replica
        self.shown = shown
        # The types of the events, but those of the stream itself and of "the last" messages.
        self.told: set[str] = set()
        self._stream: SocketStream

    @classmethod
    async def take(cls, viewer: Person) -> "Copy":
        """Return a snapshot."""
        replica = Replica()
        for channel in (await viewer.query(LIST))["channels"]["nodes"]:
            fetched = await viewer.query(FETCH, id=channel["id"])
            replica.put(channel["id"], fetched["channel"])
        return cls(viewer, replica, await viewer.query(VIEWER))

    def twin(self) -> "Copy":
        return Copy(self.viewer, deepcopy(self.replica), deepcopy(self.shown))

    @asynccontextmanager
    async def follows(self) -> AsyncIterator[None]:
        """Entered when what was missed is there."""
        async with self.viewer.follow(FOLLOW, after=self.replica.positions()) as self._stream:
            while await self._take_event() != "InboxReady":
                pass
            self.told.clear()
            yield

    async def _take_event(self) -> str:
        """Apply the next event, and fetch what it says is to be fetched; its type."""
        event = await self._stream.event()
        self.replica.apply(event)
        for channel_id in list(self.replica.missing):
            channel = (await self.viewer.query(FETCH, id=channel_id))["channel"]
            assert channel is not None, ("told of what may not be seen", event)
            self.replica.put(channel_id, channel)
        if self.replica.stale:
            self.replica.stale = False
            self.shown = await self.viewer.query(VIEWER)
            for channel_id in self.replica.channels:
                state = (await self.viewer.query(STATE, id=channel_id))["channel"]
                self.replica.put_state(channel_id, state)
        typename: str = event["__typename"]
        if typename not in OF_STREAMS and (event.get("message") or {}).get("text") != LAST:
            self.told.add(typename)
        return typename

    async def become(self, fresh: "Copy", case: Case) -> None:
        """Applies events until this is as far as the logs are, and then all that is in no log."""
        expected = fresh.seen(case)
        try:
            async with asyncio.timeout(WITHIN_S):
                while self._seqs() != fresh._seqs():
                    await self._take_event()
                assert logged(self.seen(case)) == logged(expected)
                while self.seen(case) != expected or self.shown != fresh.shown:
                    await self._take_event()
        except TimeoutError:
            name = self.viewer.user.name
            assert (name, self._seqs()) == (name, fresh._seqs())
            assert (name, self.seen(case)) == (name, expected)
            assert (name, self.shown) == (name, fresh.shown)

    def _seqs(self) -> dict[str, int]:
        return {id_: channel["lastSeq"] for id_, channel in self.replica.channels.items()}

    def seen(self, case: Case) -> dict[str, Json]:
        """Return the channels, without the members' positions, which are as of the fetch."""
        return {
            channel_id: {
                **channel,
                "members": without(channel["members"], "position"),
                "messages": without(
                    channel["messages"], *(() if case.tells_status else ("status",))
                ),
            }
            for channel_id, channel in self.replica.channels.items()
        }


def logged(channels: dict[str, Json]) -> dict[str, Json]:
    """Return what is in the logs."""
    return {
        channel_id: {**channel, "messages": without(channel["messages"], "status")}
        for channel_id, channel in without(channels, *UNLOGGED).items()
    }


def without(objects: dict[Any, Json], *names: str) -> dict[Any, Json]:
    return {
        key: {name: value for name, value in each.items() if name not in names}
        for key, each in objects.items()
    }
