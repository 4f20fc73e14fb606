"""Old pages come from a replica while it is as far as the primary, else from the primary."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from models.postgresql.database import Database
from models.postgresql.replica import Replica
from models.tokens import Tokens
from parley.migrations import migrate
from parley.settings import Settings
from tests.changes import edit
from tests.failover.pair import Pair
from tests.make import Person, make_person
from tests.serving import Server, serve
from tests.waiting import eventually

PAGE = """query ($id: ID!, $before: String) { channel(id: $id) {
    messages(last: 10, before: $before) {
        edges { cursor } nodes { id text sender { name } } } } }"""
OLDER = "UPDATE messages SET sent_at = sent_at - interval '5 minutes'"
QUIET = "UPDATE channels SET last_at = last_at - interval '5 minutes'"
FOLLOWED = "SELECT pg_current_wal_lsn() = replay_lsn FROM pg_stat_replication"


@dataclass
class Noted:
    """The replica, with whether it answered each time that it was asked."""

    replica: Replica
    answered: list[bool] = field(default_factory=list)

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record] | None:
        rows = await self.replica.fetch(query, *args)
        self.answered.append(rows is not None)
        return rows


@dataclass
class World:
    """Alice and her chat of three messages that are five minutes old, on a pair."""

    pair: Pair
    database: Database
    alice: Person
    chat_id: str
    replica: Noted

    async def page(self, before: str | None = None) -> Any:
        channel = await self.alice.mutate(PAGE, id=self.chat_id, before=before)
        return channel["messages"]

    async def texts(self) -> list[str]:
        return [node["text"] for node in (await self.page())["nodes"]]

    async def is_followed(self) -> None:
        """Wait until the standby shows all that the primary has."""
        await eventually(lambda: self.pair.primary.ask(FOLLOWED))


@pytest_asyncio.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with Pair(tmp_path_factory.mktemp("pair")) as pair:
        await asyncio.to_thread(migrate, pair.url)
        yield pair


@pytest_asyncio.fixture(scope="module")
async def node(settings: Settings, pair: Pair) -> AsyncIterator[Server]:
    both = replace(settings, database_url=pair.url, read_database_url=pair.standby.url)
    async with serve(both) as server:
        yield server


@pytest_asyncio.fixture
async def world(pair: Pair, node: Server, tokens: Tokens) -> AsyncIterator[World]:
    database = node.app._process.resources.database
    alice = await make_person(node, database, tokens, "Alice")
    chat_id = await alice.open_chat(await make_person(node, database, tokens, "Bob"))
    for text in ("one", "two", "three"):
        await alice.say(chat_id, text)
    await database.execute(OLDER)
    await database.execute(QUIET)
    replica = database.replica
    assert isinstance(replica, Replica)
    noted = Noted(replica)
    database.replica = noted
    world = World(pair, database, alice, chat_id, noted)
    await world.is_followed()
    yield world
    database.replica = replica


async def test_a_page_of_old_messages_comes_from_the_replica(world: World) -> None:
    page = await world.page()

    assert [node["text"] for node in page["nodes"]] == ["one", "two", "three"]
    assert {node["sender"]["name"] for node in page["nodes"]} == {"Alice"}
    before = await world.page(page["edges"][0]["cursor"])
    assert before["nodes"] == []
    assert world.replica.answered == [True, True]


async def test_a_page_of_new_messages_comes_from_the_primary(world: World) -> None:
    await world.alice.say(world.chat_id, "four")

    assert await world.texts() == ["one", "two", "three", "four"]
    assert world.replica.answered == []


async def test_an_edit_shows_at_once_where_the_replica_is_behind(world: World) -> None:
    message_id = (await world.page())["nodes"][1]["id"]
    await world.pair.standby.ask("SELECT pg_wal_replay_pause()")
    await edit(world.alice, message_id, "Something else")

    assert await world.texts() == ["one", "Something else", "three"]

    await world.pair.standby.ask("SELECT pg_wal_replay_resume()")
    await world.is_followed()
    assert await world.texts() == ["one", "Something else", "three"]
    assert world.replica.answered == [True] * 3


async def test_a_query_that_the_replica_ends_is_asked_of_the_primary(world: World) -> None:
    conflict = "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"

    assert await world.replica.fetch(conflict) is None

    assert await world.texts() == ["one", "two", "three"]
    assert world.replica.answered == [False, True]


async def test_a_replica_that_is_away_is_left_alone(world: World) -> None:
    """The last test of the module: its standby does not come back."""
    await world.pair.primary.ask("ALTER SYSTEM RESET synchronous_standby_names")
    await world.pair.primary.ask("SELECT pg_reload_conf()")
    world.pair.stop_standby()

    assert await world.texts() == ["one", "two", "three"]
    assert world.replica.answered == [False]
