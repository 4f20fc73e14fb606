"""People, their devices, chats and histories, made the short way where a test is about something
else.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Self

from models import ids
from models.devices.devices import Platform, create_device
from models.log.committer import Committer
from models.log.drafts import Draft
from models.messages.messages import MessageKind
from models.postgresql.database import Database
from models.tokens import Tokens
from models.users.phone_numbers import claim_number
from models.users.users import User, create_user
from tests.client import ApiClient, Json
from tests.serving import Server

REFUSAL = "... on Refusal { code reason field retryAfterMs }"
OPEN_CHAT = f"""mutation ($userId: ID!) {{ openChat(userId: $userId) {{ __typename
    ... on OpenChatPayload {{ created chat {{ id kind lastSeq peer {{ id name }} }} }}
    {REFUSAL} }} }}"""
SEND = f"""mutation ($input: SendMessageInput!) {{ sendMessage(input: $input) {{ __typename
    ... on SendMessagePayload {{ replayed message {{ id seq text clientMessageId status sentAt }} }}
    {REFUSAL} }} }}"""
ACKNOWLEDGE = f"""mutation ($input: AcknowledgeInput!) {{ acknowledge(input: $input) {{ __typename
    ... on AcknowledgePayload {{ positions {{ channelId deliveredSeq readSeq }} }}
    {REFUSAL} }} }}"""

MakePerson = Callable[[str], Awaitable["Person"]]
AnotherDevice = Callable[["Person"], Awaitable["Person"]]

_numbers = itertools.count(1000)


class Person(ApiClient):
    """A signed-in device, and whose it is. `id` and `device_id` are global ids."""

    def __init__(
        self,
        server: Server,
        user: User,
        inner_device_id: str,
        access_token: str,
        refresh_token: str,
        number: str,
    ) -> None:
        super().__init__(server, access_token)
        self.user = user
        self.inner_device_id = inner_device_id
        self.refresh_token = refresh_token
        self.number = number
        self._client_ids = itertools.count(1)

    @property
    def id(self) -> str:
        return ids.user_global_id(self.user.id)

    @property
    def device_id(self) -> str:
        return ids.device_global_id(self.inner_device_id)

    def at(self, server: Server, token: str | None = None) -> Self:
        """Return the same device at another node, or with another token."""
        copy = type(self)(
            server,
            self.user,
            self.inner_device_id,
            token or self.token or "",
            self.refresh_token,
            self.number,
        )
        copy._client_ids = self._client_ids
        return copy

    async def open_chat(self, peer: "Person") -> str:
        """Return the id of the chat with the peer."""
        opened = await self.mutate(OPEN_CHAT, userId=peer.id)
        chat_id: str = opened["chat"]["id"]
        return chat_id

    def draft(self, channel_id: str, text: str | None = None, **more: Any) -> Json:
        draft = {
            "channelId": channel_id,
            "clientMessageId": f"{self.user.name}-{next(self._client_ids)}",
            **({} if text is None else {"text": text}),
        }
        return draft | more

    async def send(self, draft: Json) -> Any:
        """The payload, or the Refusal."""
        return await self.mutate(SEND, input=draft)

    async def say(self, channel_id: str, text: str, **more: Any) -> Json:
        """Return the stored message."""
        sent = await self.send(self.draft(channel_id, text, **more))
        assert sent["__typename"] == "SendMessagePayload", sent
        message: Json = sent["message"]
        return message

    async def acknowledge(self, channel_id: str, **seqs: int) -> Any:
        """`delivered=3, read=2` in one channel; the positions in force."""
        positions = {name: [{"channelId": channel_id, "seq": seq}] for name, seq in seqs.items()}
        acknowledged = await self.mutate(ACKNOWLEDGE, input=positions)
        assert "positions" in acknowledged, acknowledged
        return acknowledged["positions"]


async def make_person(server: Server, database: Database, tokens: Tokens, name: str) -> Person:
    """Somebody new, signed in on one device."""
    number = f"+1415555{next(_numbers):04}"
    user_id = ids.new_id()
    async with database.transaction() as connection:
        await claim_number(connection, number, user_id)
        user = await create_user(connection, user_id, name, now=datetime.now(UTC))
    return await make_device(server, database, tokens, user, number)


async def make_device(
    server: Server, database: Database, tokens: Tokens, user: User, number: str
) -> Person:
    """Another device of somebody who is there."""
    device_id, now = ids.new_id(), datetime.now(UTC)
    access_token, expires_at = tokens.make_access(user.id, device_id, 1, now=now)
    async with database.transaction() as connection:
        await create_device(
            database,
            connection,
            user.id,
            name=f"{user.name}'s phone",
            platform=Platform.IOS,
            access_expires_at=expires_at,
            device_id=device_id,
            now=now,
        )
    refresh_token = tokens.make_refresh(user.id, device_id, 1)
    return Person(server, user, device_id, access_token, refresh_token, number)


async def write_history(committer: Committer, sender: Person, channel_id: str, count: int) -> None:
    """Messages "1", "2", "3" … of one sender, in this order."""
    inner_id = ids.parse_plain("chn", channel_id)
    assert inner_id is not None
    now = datetime.now(UTC)
    await asyncio.gather(
        *(
            committer.send(
                Draft(inner_id, sender.user, f"history-{n}", MessageKind.TEXT, now, str(n))
            )
            for n in range(1, count + 1)
        )
    )
