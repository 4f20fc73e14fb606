"""Read receipts from streams, and change who may see that something was read."""

import pytest

from tests.client import Json, SocketStream, until
from tests.make import Person

UNKNOWN = "chn_" + "0" * 32

INBOX = """subscription { inbox { __typename
    ... on MessageAdded { seq }
    ... on ReceiptUpdated { channelId userId deliveredSeq readSeq } } }"""
RECEIPTS = """subscription ($id: ID!) { receiptUpdated(channelId: $id) {
    channelId userId deliveredSeq readSeq } }"""
SET_BLOCKED = """mutation ($id: ID!, $blocked: Boolean!) {
    setBlocked(userId: $id, blocked: $blocked) { __typename } }"""
STATUS = "query ($id: ID!) { channel(id: $id) { messages { nodes { status } } } }"
UPDATE_PRIVACY = """mutation ($input: UpdatePrivacyInput!) {
    updatePrivacy(input: $input) { __typename } }"""
CREATE_GROUP = """mutation ($input: CreateGroupInput!) { createGroup(input: $input) {
    ... on GroupPayload { group { id lastSeq } } ... on Refusal { reason } } }"""
ADD = """mutation ($id: ID!, $users: [ID!]!) { addMembers(groupId: $id, userIds: $users) {
    ... on GroupPayload { group { lastSeq } } ... on Refusal { reason } } }"""
REMOVE = """mutation ($id: ID!, $user: ID!) { removeMember(groupId: $id, userId: $user) {
    ... on GroupPayload { group { lastSeq } } ... on Refusal { reason } } }"""


def receipt(person: Person, channel_id: str, delivered: int, read: int) -> Json:
    return {
        "channelId": channel_id,
        "userId": person.id,
        "deliveredSeq": delivered,
        "readSeq": read,
    }


async def set_blocked(person: Person, other: Person, blocked: bool) -> None:
    done = await person.mutate(SET_BLOCKED, id=other.id, blocked=blocked)
    assert done == {"__typename": "SetBlockedPayload"}


async def show_reading(person: Person, shown: bool) -> None:
    done = await person.mutate(UPDATE_PRIVACY, input={"readReceipts": shown})
    assert done == {"__typename": "UpdatePrivacyPayload"}


async def make_group(owner: Person, *members: Person) -> str:
    made = await owner.mutate(
        CREATE_GROUP, input={"name": "A group", "memberIds": [each.id for each in members]}
    )
    group_id: str = made["group"]["id"]
    return group_id


async def told_before_message(stream: SocketStream) -> list[Json]:
    """Return the receipts that an inbox brings before the next message."""
    found = await until(stream, "MessageAdded")
    return [
        {name: value for name, value in event.items() if name != "__typename"}
        for event in found
        if event["__typename"] == "ReceiptUpdated"
    ]


async def nothing_comes(stream: SocketStream) -> None:
    """Nor is anything held back: that would come within a second."""
    with pytest.raises(TimeoutError):
        await stream.event(1.3)


async def next_receipt(stream: SocketStream) -> Json:
    event: Json = (await until(stream, "ReceiptUpdated"))[-1]
    del event["__typename"]
    return event
