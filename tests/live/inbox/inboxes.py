"""Read what an inbox gives."""

from typing import Any

from models.postgresql.database import Database
from tests.client import Stream, until
from tests.make import Person

INBOX = """subscription ($after: [PositionInput!]) { inbox(after: $after) { __typename
    ... on MessageAdded { channelId seq message { text } }
    ... on InboxReady { replayed } ... on ResyncRequired { channelId seq } } }"""
WHOLE = """subscription { inbox { __typename at ... on MessageAdded { channelId seq message {
    id seq text sender { id name } clientMessageId status deliveredCount
    replyTo { id text sender { name } } } } } }"""


def seqs(happened: list[Any]) -> list[int]:
    return [event["seq"] for event in happened if event["__typename"] == "MessageAdded"]


def position(channel_id: str, seq: int) -> list[dict[str, Any]]:
    return [{"channelId": channel_id, "seq": seq}]


async def replay(stream: Stream) -> tuple[list[int], int]:
    """Return the seqs before InboxReady, and how many it says there were."""
    happened = await until(stream, "InboxReady")
    assert {event["__typename"] for event in happened} <= {"MessageAdded", "InboxReady"}
    return seqs(happened), happened[-1]["replayed"]


async def join_at(database: Database, channel_id: str, person: Person, seq: int) -> None:
    """As if this entry had brought the person in."""
    await database.execute(
        "UPDATE members SET joined_seq = $3 WHERE channel_id = $1 AND user_id = $2",
        channel_id[4:],
        person.user.id,
        seq,
    )
