"""What tests of changes to messages share: making the changes, and reading what they left."""

from collections.abc import Awaitable, Callable
from typing import Any

from models.postgresql.database import Database
from tests.changes import (
    MESSAGE,
    delete,
    edit,
    react,
)
from tests.make import Person
from tests.times import earlier

THUMB, HEART = "\U0001f44d", "\u2764\ufe0f"
UNKNOWN = "0" * 32

NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Message {{ {MESSAGE} }} }} }}"
STATE = """query ($id: ID!) { channel(id: $id) { lastSeq unreadCount lastMessage {
    id text deletedAt } messages { nodes { id text } } } }"""
BLOCK = """mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }"""

Change = Callable[[Person, str], Awaitable[Any]]


async def edit_it(person: Person, message_id: str) -> Any:
    return await edit(person, message_id, "Something else")


async def react_to_it(person: Person, message_id: str) -> Any:
    return await react(person, message_id, THUMB)


CHANGES: dict[str, Change] = {"edit": edit_it, "delete": delete, "react": react_to_it}


async def node(person: Person, message_id: str) -> Any:
    return (await person.query(NODE, id=message_id))["node"]


async def state(person: Person, channel_id: str) -> Any:
    return (await person.query(STATE, id=channel_id))["channel"]


async def age(database: Database, seconds: float) -> None:
    """Let everything have been sent so much earlier."""
    await database.execute(
        f"UPDATE messages SET sent_at = {earlier('sent_at', 'make_interval(secs => $1)')}", seconds
    )
