"""Blocks and sends that race: decided by the channel's row."""

import asyncio
from datetime import UTC, datetime

from models import ids
from models.blocks import set_blocked
from models.channels import open_chat
from models.committer import Committer
from models.database import Database
from models.limits import Limits
from models.messages import MessageKind
from models.refusals import RefusalCode, Refused
from models.sends import Draft, Sent
from models.users import User, create_user

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
# As many as are written by one call, so that there is time for a block within it.
BURST = 30


async def make_user(database: Database, name: str) -> User:
    async with database.transaction() as connection:
        return await create_user(connection, ids.new_id(), name, now=NOW)


async def test_200_bursts_of_sends_are_stored_before_the_block_or_refused(
    database: Database, other_database: Database, committer: Committer
) -> None:
    """What is in the log when the block is answered is all there is."""
    alice, bob = await make_user(database, "Alice"), await make_user(database, "Bob")
    chat, _ = await open_chat(database, alice.id, bob.id)

    async def send(number: int) -> Sent | Refused:
        draft = Draft(chat.id, alice, str(number), MessageKind.TEXT, NOW, "Hello")
        try:
            return await committer.send(draft)
        except Refused as refused:
            return refused

    async def block() -> int:
        await set_blocked(other_database, bob.id, alice.id, True, limits=Limits(), now=NOW)
        return int(await other_database.fetchval("SELECT last_seq FROM channels"))

    stored: list[int] = []
    refused = 0
    for n in range(200):
        sending = asyncio.gather(*(send(n * BURST + m) for m in range(BURST)))
        # The block meets the burst at each of its steps.
        await asyncio.sleep(n % 20 / 5000)
        seen = await block()
        for each in await sending:
            if isinstance(each, Sent):
                stored.append(each.seq)
            else:
                assert each.code is RefusalCode.BLOCKED
                refused += 1
        assert seen == len(stored)
        await set_blocked(other_database, bob.id, alice.id, False, limits=Limits(), now=NOW)

    assert sorted(stored) == list(range(1, len(stored) + 1))
    assert stored
