"""A commit counts once the standby has it."""

import asyncio
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from examples.client import Api, Device
from models.postgresql.database import Database, connect
from models.tokens import Tokens
from parley.settings import Settings
from tests.failover.load import sending
from tests.failover.pair import Pair
from tests.failover.test_failover import SENDS, served_by
from tests.make import make_person
from tests.waiting import eventually

CANCEL = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
# How often commits are made to go on without the standby, so that what they stored is sent again.
CANCELLED = 4


async def test_a_commit_that_is_not_waited_for_to_the_end_is_not_believed(tmp_path: Path) -> None:
    async with Pair(tmp_path) as pair:
        await pair.primary.ask("CREATE TABLE kept (text text)")
        pair.stop_standby()
        connection = await connect(pair.url)
        writing = asyncio.create_task(connection.execute("INSERT INTO kept VALUES ('unsafe')"))

        await eventually(lambda: pair.primary.ask(CANCEL))

        with pytest.raises(asyncpg.PostgresConnectionError):
            await writing
        assert connection.is_closed()
        # It is there, all the same: whoever repeats it must not take that for an answer.
        assert await pair.primary.ask("SELECT count(*) FROM kept") == 1


async def test_no_repeat_is_answered_before_the_standby_has_what_it_repeats(
    settings: Settings, tokens: Tokens, tmp_path: Path
) -> None:
    """The standby stops under load, and commits go on without it. So what is sent again finds
    itself stored, where the standby would lose it. Then the primary dies, and the standby takes its
    place.
    """
    async with Pair(tmp_path) as pair, served_by(pair, settings) as server:
        database = await Database.open(pair.url, connections=2)
        alice = await make_person(server, database, tokens, "Alice")
        bob = await make_person(server, database, tokens, "Bob")
        chat_id = await alice.open_chat(bob)
        await database.close()

        with closing(Api(server.port)) as api:
            sender = Device([api], alice.id, alice.token or "")
            async with sending(sender, chat_id) as load:
                await load.has_more(SENDS)
                pair.stop_standby()
                for _ in range(CANCELLED):
                    await eventually(lambda: pair.primary.ask(CANCEL))
                await eventually(lambda: pair.primary.ask(WAITING))
                pair.kill_primary()
                pair.start_standby()
                await pair.promote()
                await load.has_more(SENDS)

            assert await load.find_lost() == {}
            seqs = [message["seq"] for message in await sender.history(chat_id)]
        assert seqs == list(range(1, len(seqs) + 1))
