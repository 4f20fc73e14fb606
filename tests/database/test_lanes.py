"""Lanes: where the database is distributed, batches of several channels are under way at once, each
of one channel, over the functions of one channel. They run on one PostgreSQL, too.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest_asyncio

from models.channels.blocks import set_blocked
from models.limits.limits import Limits
from models.log.committer import Committer
from models.log.drafts import Draft, Sent
from models.log.entries import Batch
from models.log.group_commit.batch_writer import Busy
from models.log.group_commit.batching import GroupCommit
from models.log.positions import Move
from models.messages.messages import MessageKind
from models.postgresql.database import Connection, Database, connect
from models.refusals import RefusalCode, Refused
from tests.groups import inner_id, make_group
from tests.make import Person
from tests.waiting import Edge, steps

CHANNELS = 5
ROUNDS = 40
NOW = datetime.now(UTC)


class ByLane:
    """Writes (lane, number) to nowhere. The batch of a lane that is stopped waits until it goes
    on.
    """

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, int]]] = []
        self.stopped: dict[str, asyncio.Event] = {}

    def lane(self, item: tuple[str, int]) -> str:
        return item[0]

    def lock_key(self, item: tuple[str, int]) -> tuple[str, int]:
        return item

    def identity(self, item: tuple[str, int]) -> tuple[str, int]:
        return item

    def absorb(self, leader: tuple[str, int], follower: tuple[str, int]) -> None:
        return None

    def follow(self, leader: tuple[str, int], result: int, follower: tuple[str, int]) -> int:
        return result

    def weight(self, item: tuple[str, int]) -> int:
        return 1

    def note_again(self, item: tuple[str, int]) -> None:
        return None

    async def write(
        self, connection: Connection, items: Sequence[tuple[str, int]], *, wait: bool
    ) -> Sequence[int | Refused | Busy]:
        self.batches.append(list(items))
        if items[0][0] in self.stopped:
            await self.stopped[items[0][0]].wait()
        return [number for _, number in items]


@pytest_asyncio.fixture
async def told() -> list[Batch]:
    """What the committer by lanes stored."""
    return []


@pytest_asyncio.fixture
async def by_lanes(database: Database, told: list[Batch]) -> AsyncIterator[Committer]:
    committer = Committer(database.url, told.append, is_distributed=True)
    committer.start()
    yield committer
    await committer.close()


async def test_a_lane_that_stands_still_holds_up_no_other(database_url: str) -> None:
    async def open_connection() -> "asyncpg.Connection[asyncpg.Record]":
        return await connect(database_url)

    writer = ByLane()
    part = GroupCommit[tuple[str, int], int](writer, open_connection, lane_connections=2)
    part.start()
    writer.stopped["slow"] = asyncio.Event()

    slow = [part.submit(("slow", number)) for number in range(3)]
    others = [part.submit((name, number)) for number in range(3) for name in ("one", "two")]
    async with asyncio.timeout(60):
        await asyncio.gather(*others)
        assert not any(answer.done() for answer in slow)
        late = part.submit(("slow", 3))
        writer.stopped["slow"].set()
        await asyncio.gather(*slow, late)
    await part.close()

    assert all(len({name for name, _ in batch}) == 1 for batch in writer.batches)
    for lane, count in (("slow", 4), ("one", 3), ("two", 3)):
        written = [number for batch in writer.batches for name, number in batch if name == lane]
        assert written == list(range(count))


async def test_each_channel_has_one_order_without_gaps_and_a_repeat_once(
    by_lanes: Committer, told: list[Batch], alice: Person, bob: Person
) -> None:
    channels = [await make_channel(alice, bob, n) for n in range(CHANNELS)]
    # Of the notices that make the groups.
    before = 1

    sent = await asyncio.gather(
        *(
            by_lanes.send(draft(sender, channel, f"{sender.user.name} {n}"))
            for n in range(ROUNDS)
            for channel in channels
            for sender in (alice, bob)
        )
    )
    again = await asyncio.gather(
        *(by_lanes.send(draft(alice, channel, "Alice 7")) for channel in channels)
    )

    for place, channel in enumerate(channels):
        seqs = [
            [sent[(turn * CHANNELS + place) * 2 + sender].seq for turn in range(ROUNDS)]
            for sender in (0, 1)
        ]
        assert all(of_sender == sorted(of_sender) for of_sender in seqs)
        assert sorted(sum(seqs, [])) == [before + n for n in range(1, 2 * ROUNDS + 1)]
        assert again[place] == Sent(seqs[0][7], None)
        entries = [
            entry for batch in told if batch.outbox_channel_id == channel for entry in batch.entries
        ]
        assert [entry.seq for entry in entries] == sorted(sum(seqs, []))
    assert all(set(batch.recipients) == {batch.outbox_channel_id} for batch in told)


async def test_moves_of_many_channels_are_answered_in_place(
    by_lanes: Committer, alice: Person, bob: Person
) -> None:
    channels = [await make_channel(alice, bob, n) for n in range(CHANNELS)]
    for n, channel in enumerate(channels):
        for m in range(n + 1):
            await by_lanes.send(draft(alice, channel, f"{m}"))

    alices, bobs = await asyncio.gather(
        *(
            by_lanes.advance([Move(channel, person.user.id, 100, 1) for channel in channels])
            for person in (alice, bob)
        )
    )

    for person, moved in ((alice, alices), (bob, bobs)):
        assert [move.user_id for move in moved] == [person.user.id] * CHANNELS
        assert [move.channel_id for move in moved] == channels
        assert [move.delivered_seq for move in moved] == [n + 2 for n in range(CHANNELS)]


async def test_a_held_channel_holds_up_no_other_and_goes_on_in_order(
    by_lanes: Committer, database_url: str, alice: Person, bob: Person
) -> None:
    held_channel, other = [await make_channel(alice, bob, n) for n in range(2)]
    holder = await connect(database_url)
    async with asyncio.timeout(60):
        async with holder.transaction():
            await holder.execute("SELECT FROM channels WHERE id = $1 FOR UPDATE", held_channel)
            waiting = [
                asyncio.ensure_future(by_lanes.send(draft(alice, held_channel, f"{n}")))
                for n in range(5)
            ]
            await asyncio.gather(*(by_lanes.send(draft(alice, other, f"{n}")) for n in range(5)))
            assert not any(answer.done() for answer in waiting)
        sent = await asyncio.gather(*waiting)
    await holder.close()

    assert [answer.seq for answer in sent] == [sent[0].seq + n for n in range(5)]


async def test_a_send_is_in_the_log_before_a_block_is_answered_or_is_refused(
    by_lanes: Committer, database: Database, alice: Person, bob: Person, chat: str
) -> None:
    """A block is a mark on the chat's rows, so that the send reads nothing of other rows."""
    channel_id = inner_id(chat)
    stored, edge = 0, Edge()

    async def block() -> int:
        await set_blocked(database, bob.user.id, alice.user.id, True, limits=Limits(), now=NOW)
        seen: int = await database.fetchval(
            "SELECT last_seq FROM channels WHERE id = $1", channel_id
        )
        return seen

    async def send(n: int) -> Sent | RefusalCode:
        # It comes about when the block does.
        await steps(edge.steps)
        try:
            return await by_lanes.send(draft(alice, channel_id, f"{n}"))
        except Refused as refused:
            return refused.code

    for n in range(ROUNDS):
        sent, seen = await asyncio.gather(send(n), block())
        edge.note(too_early=isinstance(sent, Sent))
        if isinstance(sent, Sent):
            stored += 1
        else:
            assert sent is RefusalCode.BLOCKED
        # The log is read after the block, and so may only hold what came before it.
        assert seen == stored
        await set_blocked(database, bob.user.id, alice.user.id, False, limits=Limits(), now=NOW)


async def make_channel(owner: Person, member: Person, number: int) -> str:
    return inner_id(await make_group(owner, member, name=f"Group {number}"))


def draft(sender: Person, channel_id: str, name: str) -> Draft:
    return Draft(channel_id, sender.user, name, MessageKind.TEXT, datetime.now(UTC), name)
