"""What tests of changes share: the documents, and groups to change things in."""

from typing import Any

from models import ids
from models.postgresql.database import Database
from tests.client import Json
from tests.make import REFUSAL, Person

MESSAGE = """id seq kind text editedAt deletedAt mentions location { latitude }
    reactions { emoji count userIds } replyTo { id text deletedAt }"""
EDIT = f"""mutation ($id: ID!, $text: String!) {{ editMessage(messageId: $id, text: $text) {{
    __typename ... on MessagePayload {{ message {{ {MESSAGE} }} }} {REFUSAL} }} }}"""
DELETE = f"""mutation ($id: ID!) {{ deleteMessage(messageId: $id) {{
    __typename ... on MessagePayload {{ message {{ {MESSAGE} }} }} {REFUSAL} }} }}"""
REACT = f"""mutation ($id: ID!, $emoji: String) {{ react(messageId: $id, emoji: $emoji) {{
    __typename ... on MessagePayload {{ message {{ {MESSAGE} }} }} {REFUSAL} }} }}"""
CHANGED = f"... on MessageUpdated {{ channelId seq change message {{ {MESSAGE} }} }}"

CREATE_GROUP = """mutation ($input: CreateGroupInput!) { createGroup(input: $input) {
    ... on GroupPayload { group { id } } } }"""
ADD_MEMBERS = """mutation ($id: ID!, $userIds: [ID!]!) { addMembers(groupId: $id, userIds: $userIds)
    { ... on GroupPayload { group { id } } } }"""
REMOVE_MEMBER = """mutation ($id: ID!, $userId: ID!) { removeMember(groupId: $id, userId: $userId)
    { ... on GroupPayload { group { id } } } }"""


async def edit(person: Person, message_id: str, text: str) -> Any:
    return await person.mutate(EDIT, id=message_id, text=text)


async def delete(person: Person, message_id: str) -> Any:
    return await person.mutate(DELETE, id=message_id)


async def react(person: Person, message_id: str, emoji: str | None) -> Any:
    return await person.mutate(REACT, id=message_id, emoji=emoji)


def changed(payload: Any) -> Json:
    """Return the message of a change that was not refused."""
    assert payload["__typename"] == "MessagePayload", payload
    message: Json = payload["message"]
    return message


async def make_group(owner: Person, *members: Person) -> str:
    made = await owner.mutate(
        CREATE_GROUP, input={"name": "Group", "memberIds": [member.id for member in members]}
    )
    group_id: str = made["group"]["id"]
    return group_id


async def add_members(adder: Person, group_id: str, *members: Person) -> None:
    added = await adder.mutate(ADD_MEMBERS, id=group_id, userIds=[m.id for m in members])
    assert added["group"]["id"] == group_id


async def remove_member(remover: Person, group_id: str, member: Person) -> None:
    removed = await remover.mutate(REMOVE_MEMBER, id=group_id, userId=member.id)
    assert removed["group"]["id"] == group_id


async def last_seq(database: Database, channel_id: str) -> int:
    seq: int = await database.fetchval(
        "SELECT last_seq FROM channels WHERE id = $1", ids.parse_plain("chn", channel_id)
    )
    return seq
