"""A shard moves to another server while people write to a channel in it."""

import asyncio
from typing import Any

from models.postgresql.database import Database, connect
from tests.make import SEND, Person

PLACES = """
SELECT p.shardid, n.nodeid FROM pg_dist_placement p JOIN pg_dist_node n USING (groupid)
WHERE p.shardid = get_shard_id_for_distribution_column('channels', $1::uuid)
"""
WORKERS = "SELECT nodeid FROM pg_dist_node WHERE shouldhaveshards ORDER BY nodeid"


async def test_what_is_sent_meanwhile_is_stored_once_and_in_order(
    database: Database, database_url: str, alice: Person, bob: Person, chat: str
) -> None:
    moved = asyncio.Event()
    sending = asyncio.create_task(send_until(moved, alice, chat))

    for _ in range(2):
        await move(database_url, chat[4:])
    moved.set()
    sent = await sending

    stored = await database.fetch(
        "SELECT seq, text FROM messages WHERE channel_id = $1 ORDER BY seq", chat[4:]
    )
    assert [(row["seq"], row["text"]) for row in stored] == sent
    assert [seq for seq, _ in sent] == list(range(1, len(sent) + 1))
    assert sent


async def send_until(moved: asyncio.Event, person: Person, chat: str) -> list[tuple[int, str]]:
    """Send one message after the other, and each again until it is answered."""
    sent: list[tuple[int, str]] = []
    while not moved.is_set():
        text = f"message {len(sent) + 1}"
        message = None
        while message is None:
            message = await send(person, chat, text)
        sent.append((message["seq"], message["text"]))
    return sent


async def send(person: Person, chat: str, text: str) -> dict[str, Any] | None:
    """Return the message; None where it is to be sent again."""
    answer = await person.mutate(SEND, input=person.draft(chat, text) | {"clientMessageId": text})
    assert answer.get("code", "UNAVAILABLE") == "UNAVAILABLE", answer
    message: dict[str, Any] | None = answer.get("message")
    return message


async def move(database_url: str, channel_id: str) -> None:
    """Move the shard of a channel, with those that are placed beside it, to the other worker."""
    connection = await connect(database_url)
    shard, source = tuple(await connection.fetchrow(PLACES, channel_id) or ())
    workers = [row["nodeid"] for row in await connection.fetch(WORKERS)]
    (target,) = set(workers) - {source}
    await connection.execute(
        "SELECT citus_move_shard_placement($1, $2::integer, $3::integer, 'block_writes')",
        shard,
        source,
        target,
    )
    await connection.close()
