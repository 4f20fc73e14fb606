"""Blocks and sends that race: decided by the channel's row."""

import asyncio
from datetime import UTC, datetime

from models import ids
from models.channels.blocks import set_blocked
from models.channels.chats import open_chat
from models.limits.limits import Limits
from models.log.committer import Committer
from models.log.drafts import Draft
from models.messages.messages import MessageKind
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.users.users import User, create_user

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Sends, one after the other, among which a block comes.
BURST = 8


async def make_user(database: Database, name: str) -> User:
    async with database.transaction() as connection:
        return await create_user(connection, ids.new_id(), name, now=NOW)


class Sender:
    """Alice, who goes on sending to a chat, whatever the answers."""

    def __init__(self, committer: Committer, user: User, channel_id: str) -> None:
        self._committer = committer
        self._user = user
        self._channel_id = channel_id
        self.stored: list[int] = []
        self.refusals: list[RefusalCode] = []

    async def send_burst(self, number: int, begun: asyncio.Event) -> None:
        """`begun` is set after another number of answers each time."""
        for place in range(BURST):
            if place == number % BURST:
                begun.set()
            await self._send(f"{number}-{place}")

    async def _send(self, client_id: str) -> None:
        draft = Draft(self._channel_id, self._user, client_id, MessageKind.TEXT, NOW, "Hello")
        try:
            self.stored.append((await self._committer.send(draft)).seq)
        except Refused as refused:
            self.refusals.append(refused.code)


async def test_200_bursts_of_sends_are_stored_before_the_block_or_refused(
    database: Database, other_database: Database, committer: Committer
) -> None:
    """What is in the log when the block is answered is all there is."""
    alice, bob = await make_user(database, "Alice"), await make_user(database, "Bob")
    chat, _ = await open_chat(database, alice.id, bob.id)
    sender = Sender(committer, alice, chat.id)

    async def block(blocked: bool) -> int:
        await set_blocked(other_database, bob.id, alice.id, blocked, limits=Limits(), now=NOW)
        return int(await other_database.fetchval("SELECT last_seq FROM channels"))

    for number in range(200):
        begun = asyncio.Event()
        sending = asyncio.create_task(sender.send_burst(number, begun))
        await begun.wait()
        seen = await block(True)
        await sending
        assert seen == len(sender.stored)
        await block(False)

    assert sender.stored == list(range(1, len(sender.stored) + 1))
    assert sender.stored
    assert set(sender.refusals) == {RefusalCode.BLOCKED}
