"""Events of groups, as tests read them."""

from typing import Any

from tests.client import Stream, events, until

INBOX = """subscription ($after: [PositionInput!]) { inbox(after: $after) { __typename
    ... on LogEvent { channelId seq } ... on MessageAdded { message { text } }
    ... on ChannelUpdated {
        message { channel { id } system { kind actor { name } subjects { name } value } }
        channel { id lastSeq ... on Group { name memberCount viewerRole } } }
    ... on InboxReady { replayed } ... on ResyncRequired { channelId seq } } }"""


def position(channel_id: str, seq: int) -> list[dict[str, Any]]:
    return [{"channelId": channel_id, "seq": seq}]


def brief(event: Any) -> tuple[Any, ...]:
    """(seq, kind or text, whether the channel is there)."""
    if event["__typename"] == "MessageAdded":
        return (event["seq"], event["message"]["text"])
    assert event["__typename"] == "ChannelUpdated", event
    gone = event["channel"] is None
    assert (event["message"]["channel"] is None) is gone
    return (event["seq"], event["message"]["system"]["kind"], not gone)


async def replay(stream: Stream) -> list[tuple[Any, ...]]:
    """Return what comes before InboxReady."""
    happened = await until(stream, "InboxReady")
    found = [brief(event) for event in happened[:-1]]
    assert happened[-1]["replayed"] == len(found)
    return found


async def next_events(stream: Stream, count: int) -> list[tuple[Any, ...]]:
    return [brief(event) for event in await events(stream, count)]
