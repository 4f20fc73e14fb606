"""The people of a scenario, who ask the server directly."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from clients.python.documents import REFUSAL
from clients.python.failures import NoAnswer
from clients.python.patience import Backoff, Patience
from clients.python.session import Session, Tokens
from clients.python.store import MemoryStore

Json = dict[str, Any]

PATIENCE = Patience(retry_s=0.1)
# Codes of places in the USA whose numbers 555-0000 to 555-9999 are taken as real ones.
AREAS = (202, 206, 212, 213, 312, 415, 503, 617, 713, 808)
OPEN_CHAT = f"""mutation ($userId: ID!) {{ openChat(userId: $userId) {{
    ... on OpenChatPayload {{ chat {{ id }} }} {REFUSAL} }} }}"""
CREATE = f"""mutation ($input: CreateGroupInput!) {{ createGroup(input: $input) {{
    ... on GroupPayload {{ group {{ id }} }} {REFUSAL} }} }}"""
ADD = f"""mutation ($groupId: ID!, $userIds: [ID!]!) {{
    addMembers(groupId: $groupId, userIds: $userIds) {{
    ... on GroupPayload {{ group {{ id }} }} {REFUSAL} }} }}"""
REMOVE = f"""mutation ($groupId: ID!, $userId: ID!) {{
    removeMember(groupId: $groupId, userId: $userId) {{
    ... on GroupPayload {{ group {{ id }} }} {REFUSAL} }} }}"""
SAY = f"""mutation ($input: SendMessageInput!) {{ sendMessage(input: $input) {{
    ... on SendMessagePayload {{ message {{ id }} }} {REFUSAL} }} }}"""
EDIT = f"""mutation ($id: ID!, $text: String!) {{ editMessage(messageId: $id, text: $text) {{
    ... on MessagePayload {{ message {{ id }} }} {REFUSAL} }} }}"""
DELETE = f"""mutation ($id: ID!) {{ deleteMessage(messageId: $id) {{
    ... on MessagePayload {{ message {{ id }} }} {REFUSAL} }} }}"""
REACT = f"""mutation ($id: ID!, $emoji: String) {{ react(messageId: $id, emoji: $emoji) {{
    ... on MessagePayload {{ message {{ id }} }} {REFUSAL} }} }}"""
DEVICES = "query { devices { id isCurrent } }"
REVOKE = f"""mutation ($id: ID!) {{ revokeDevice(deviceId: $id) {{ __typename {REFUSAL} }} }}"""
WHO = "query { viewer { id } }"


class Somebody:
    """One signed-in device of a user."""

    def __init__(self, session: Session, number: str) -> None:
        self._session = session
        self.number = number

    @property
    def id(self) -> str:
        return self._session.tokens.user_id

    @property
    def tokens(self) -> Tokens:
        return self._session.tokens

    async def ask(self, document: str, **variables: Any) -> Any:
        """Ask until there is an answer."""
        backoff = Backoff(PATIENCE)
        while True:
            try:
                return await self._session.ask(document, **variables)
            except NoAnswer as none:
                await backoff.wait(none.retry_after_s)

    async def pages(self, document: str, path: list[str], **variables: Any) -> list[Json]:
        """Return the nodes of all pages of the connection that is at this path of the answer."""
        nodes: list[Json] = []
        after: str | None = None
        while True:
            page = await self.ask(document, after=after, **variables)
            for name in path:
                page = page[name]
            nodes += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return nodes
            after = page["pageInfo"]["endCursor"]

    async def say(self, channel_id: str, text: str) -> str:
        """Return the message's id."""
        draft = {"channelId": channel_id, "clientMessageId": str(uuid.uuid4()), "text": text}
        message_id: str = (await self.ask(SAY, input=draft))["message"]["id"]
        return message_id

    async def say_all(self, channel_id: str, texts: list[str]) -> None:
        """Send many, in any order."""
        await asyncio.gather(*(self.say(channel_id, text) for text in texts))

    async def open_chat(self, other: "Somebody") -> str:
        chat_id: str = (await self.ask(OPEN_CHAT, userId=other.id))["chat"]["id"]
        return chat_id

    async def make_group(self, name: str, *others: "Somebody") -> str:
        asked = {"name": name, "memberIds": [other.id for other in others]}
        group_id: str = (await self.ask(CREATE, input=asked))["group"]["id"]
        return group_id


@asynccontextmanager
async def sign_in(url: str, name: str, number: str | None = None) -> AsyncIterator[Somebody]:
    """Sign somebody new in, or a second device of somebody. The server shows its codes: it runs
    with PARLEY_ENV=development.
    """
    async with Session(url, MemoryStore(), PATIENCE) as session:
        while not session.signed_in:
            wanted = number or f"+1{random.choice(AREAS)}555{random.randrange(10_000):04}"
            code = await session.request_code(wanted)
            if code["developmentCode"] is None:
                raise SystemExit("The server does not show its codes: set PARLEY_ENV=development.")
            is_new = await session.sign_in(
                phoneNumber=wanted,
                requestSecret=code["requestSecret"],
                code=code["developmentCode"],
                name=name,
                device={"name": "Conformance", "platform": "DESKTOP"},
            )
            if number is None and not is_new:
                # Somebody has this number, with conversations of their own.
                session.keep(None)
        yield Somebody(session, wanted)
