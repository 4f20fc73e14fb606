"""A primary dies under load, its standby is promoted, and the process goes on there: no answered
send is lost.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

from examples.client import Api, Device
from models.postgresql.database import Database
from models.tokens import Tokens
from parley.migrations import migrate
from parley.settings import Settings
from tests.failover.load import sending
from tests.failover.pair import Pair
from tests.make import make_person
from tests.serving import Server, serve

# Sends that are answered before the primary dies, and after the promotion.
SENDS = 40


@asynccontextmanager
async def served_by(pair: Pair, settings: Settings) -> AsyncIterator[Server]:
    """A node whose database is the pair."""
    await asyncio.to_thread(migrate, pair.url)
    async with serve(replace(settings, database_url=pair.url)) as server:
        yield server


async def test_no_answered_send_is_lost_when_the_standby_takes_the_place_of_the_primary(
    settings: Settings, tokens: Tokens, tmp_path: Path
) -> None:
    async with Pair(tmp_path) as pair, served_by(pair, settings) as server:
        database = await Database.open(pair.url, connections=2)
        alice = await make_person(server, database, tokens, "Alice")
        bob = await make_person(server, database, tokens, "Bob")
        chat_id = await alice.open_chat(bob)

        with closing(Api(server.port)) as api:
            sender = Device([api], alice.id, alice.token or "")
            async with sending(sender, chat_id) as load:
                await load.has_more(SENDS)
                pair.kill_primary()
                await pair.promote()
                await load.has_more(SENDS)

            assert await load.find_lost() == {}
            seqs = [message["seq"] for message in await sender.history(chat_id)]
        assert seqs == list(range(1, len(seqs) + 1))

        # The pool goes on, too: its connections to the old primary are replaced.
        assert await database.fetchval("SELECT NOT pg_is_in_recovery()")
        await database.close()
