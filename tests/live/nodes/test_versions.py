"""Nodes of two revisions side by side: each is written to in a version that it reads, as its lease
says; and one that gets what it does not read makes up for it from PostgreSQL.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from models import ids
from models.background import Loops
from models.log.signals import Signalled, ViewerChanged
from models.postgresql.database import Database
from parley.settings import Settings
from subscriptions.hub import Hub
from subscriptions.nodes.messages import FIRST, Format, Formats
from subscriptions.nodes.node import Node, topic_of
from subscriptions.nodes.opening import open_valkey
from subscriptions.nodes.registry import Registry
from subscriptions.scripts import Valkey
from tests.waiting import eventually

SIGNALS = [Signalled(ViewerChanged(), ["ann"])]


def written_in_reverse(form: Format) -> Format:
    """Return another format, of which a reader of the first understands nothing."""
    return msgspec.structs.replace(
        form,
        write_signals=lambda signals: form.write_signals(signals)[::-1],
        read_signals=lambda content: form.read_signals(content[::-1]),
    )


OLD = Formats({1: FIRST})
NEW = Formats({1: FIRST, 2: written_in_reverse(FIRST)})
LATER = Formats({2: NEW._by_version[2], 3: FIRST})


@dataclass
class Running:
    """A node, what it was told and what it could not read."""

    node: Node
    loops: Loops
    told: list[Signalled] = field(default_factory=list)
    repairs: int = 0

    @property
    def unreadable(self) -> int:
        return self.loops.failures["node_messages", "unexpected"]

    def note_repair(self) -> None:
        self.repairs += 1


@pytest_asyncio.fixture
async def valkey(settings: Settings) -> AsyncIterator[Valkey]:
    assert settings.redis_url is not None
    client = open_valkey(settings.redis_url)
    yield client
    await client.aclose()


@asynccontextmanager
async def running(valkey: Valkey, database: Database, formats: Formats) -> AsyncIterator[Running]:
    loops, told = Loops(), list[Signalled]()

    def take(signals: Sequence[Signalled]) -> None:
        told.extend(signals)

    node = Node(
        valkey=valkey,
        database=database,
        hub=Hub(database, replay_entries=1),
        on_repaired=lambda: one.note_repair(),
        on_signals=take,
        loops=loops,
        formats=formats,
    )
    one = Running(node, loops, told)
    await node.open()
    try:
        yield one
    finally:
        await node.close()


async def tell(teller: Running, reader: Running) -> None:
    """Look up where a user of the reader's is, and tell the node that was found."""
    user_id = ids.new_id()
    await reader.node.add_user(user_id)
    nodes_of = await teller.node.look_up([user_id])
    assert nodes_of == {user_id: [reader.node.id]}
    await teller.node.publish_signals({reader.node.id: SIGNALS})


@pytest.mark.parametrize(
    ("teller_knows", "reader_knows"), [(OLD, OLD), (NEW, OLD), (OLD, NEW), (NEW, NEW), (NEW, LATER)]
)
async def test_a_node_is_told_in_a_version_that_it_reads(
    valkey: Valkey, database: Database, teller_knows: Formats, reader_knows: Formats
) -> None:
    async with (
        running(valkey, database, teller_knows) as teller,
        running(valkey, database, reader_knows) as reader,
    ):
        await tell(teller, reader)

        await eventually(lambda: reader.told == SIGNALS)
        assert reader.unreadable == 0


async def test_where_there_is_no_version_that_both_know_the_reader_repairs(
    valkey: Valkey, database: Database
) -> None:
    async with (
        running(valkey, database, LATER) as teller,
        running(valkey, database, OLD) as reader,
    ):
        before = reader.repairs

        await tell(teller, reader)

        await eventually(lambda: reader.repairs > before)
        assert reader.told == []
        assert reader.unreadable == 1


async def test_the_newest_version_is_the_one_that_two_of_the_same_revision_use(
    valkey: Valkey, database: Database, settings: Settings
) -> None:
    assert settings.redis_url is not None
    listener = Redis.from_url(settings.redis_url)
    async with (
        running(valkey, database, NEW) as teller,
        running(valkey, database, NEW) as reader,
        listener.pubsub(ignore_subscribe_messages=True) as pubsub,
    ):
        await pubsub.subscribe(topic_of(reader.node.id))
        await tell(teller, reader)
        kinds = set[bytes]()
        while b"S" not in {kind[1:] for kind in kinds}:
            message = await pubsub.get_message(timeout=60)
            if message is not None:
                kinds.add(message["data"][:2])
    await listener.aclose()

    assert kinds <= {b"\x02S", b"\x02."}


async def test_a_lease_of_the_revision_before_says_version_1(valkey: Redis) -> None:
    """As it was written when there was one version."""
    node_id, user_id = ids.new_id(), ids.new_id()
    readers: dict[str, int] = {}
    old, one = Registry(valkey, node_id), Registry(valkey, ids.new_id(), readers=readers)
    await old.take_lease()
    await valkey.set(f"parley:{{registry}}:node:{node_id}", 1, px=10_000)
    await old.add([user_id])

    assert await one.look_up([user_id]) == [[node_id]]

    assert readers == {node_id: 1}
