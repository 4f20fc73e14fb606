"""Follow the inbox by streams that have a name, as a client library does that subscribes again with
its first variables.
"""

from typing import Any

from tests.client import Json, Stream, until
from tests.make import REFUSAL, Person

STREAM = """subscription ($after: [PositionInput!], $cursor: String, $streamId: ID,
    $heartbeatSeconds: Int) {
    inbox(after: $after, cursor: $cursor, streamId: $streamId, heartbeatSeconds: $heartbeatSeconds)
    { __typename ... on LogEvent { channelId seq } ... on InboxReady { replayed cursor }
      ... on InboxProgress { cursor } ... on ResyncRequired { channelId seq } } }"""
ACKNOWLEDGE = f"""mutation ($input: AcknowledgeInput!) {{ acknowledge(input: $input) {{ __typename
    ... on AcknowledgePayload {{ positions {{ channelId deliveredSeq }} }} {REFUSAL} }} }}"""


async def missed(stream: Stream) -> tuple[list[Json], str]:
    """Return what came before InboxReady, InboxProgress left out, and its cursor."""
    happened = await until(stream, "InboxReady")
    cursor: str = happened[-1]["cursor"]
    return [each for each in happened[:-1] if each["__typename"] != "InboxProgress"], cursor


async def missed_seqs(stream: Stream) -> list[int]:
    happened, _ = await missed(stream)
    assert {each["__typename"] for each in happened} <= {"MessageAdded"}, happened
    return [each["seq"] for each in happened]


async def next_seq(stream: Stream) -> int:
    """Return the seq of the next entry of a log."""
    while True:
        event = await stream.event()
        if "seq" in event:
            seq: int = event["seq"]
            return seq


async def take(person: Person, stream_id: str, cursor: str) -> Any:
    """Acknowledge; the payload or the Refusal."""
    return await person.mutate(ACKNOWLEDGE, input={"streamId": stream_id, "cursor": cursor})


async def new_cursor(person: Person, **passed: Any) -> str:
    """Return the cursor of a stream that was opened, and closed when it was ready."""
    async with person.follow(STREAM, **passed) as stream:
        return (await missed(stream))[1]
