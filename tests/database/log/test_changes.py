"""Changes that race, over two processes' pools: invariants hold, and the log has no gap."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime

from models import ids
from models.channels.blocks import set_blocked
from models.channels.chats import open_chat
from models.limits.limits import Limits
from models.log.entries import Batch, Change, hydrate_entries
from models.log.message_changes import delete_message, edit_message, react
from models.messages.messages import Message, MessageKind
from models.messages.reading import find_message
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.unloaded import UNLOADED
from models.users.users import User, create_user
from tests.waiting import Edge, steps

NOW = datetime.now(UTC)
PAIRS = 200
THUMB, HEART = "\U0001f44d", "\u2764\ufe0f"


async def make_user(database: Database, name: str) -> User:
    async with database.transaction() as connection:
        return await create_user(connection, ids.new_id(), name, now=NOW)


async def make_chat(database: Database) -> tuple[str, User, User]:
    """Return a chat in which Alice has said something `PAIRS` times."""
    alice, bob = await make_user(database, "Alice"), await make_user(database, "Bob")
    chat, _ = await open_chat(database, alice.id, bob.id)
    await database.execute(
        "INSERT INTO messages (channel_id, seq, kind, sender_id, client_message_id, draft_hash, "
        "text, sent_at) SELECT $1, n, 1, $2, n::text, '', 'Hello', $3 "
        "FROM generate_series(1, $4::integer) n",
        chat.id,
        alice.id,
        NOW,
        PAIRS,
    )
    await database.execute("UPDATE channels SET last_seq = $1, last_at = $2", PAIRS, NOW)
    return chat.id, alice, bob


async def outcome(change: Awaitable[Message]) -> Message | RefusalCode:
    try:
        return await change
    except Refused as refused:
        return refused.code


async def list_changes(database: Database, seq: int) -> list[Change]:
    """Return what was done to a message, in the log's order."""
    rows = await database.fetch("SELECT kind FROM changes WHERE message_seq = $1 ORDER BY seq", seq)
    return [Change(row[0]) for row in rows]


async def require_gapless(database: Database, batches: list[Batch]) -> int:
    """Every seq is one message or one change, is in one outbox row and was told of once; how many
    there are.
    """
    rows = await database.fetch(
        "SELECT seq FROM messages UNION ALL SELECT seq FROM changes ORDER BY seq"
    )
    last_seq: int = await database.fetchval("SELECT last_seq FROM channels")
    outbox = await database.fetch("SELECT unnest(entry_seqs) FROM outbox ORDER BY 1")
    told = sorted(entry.seq for batch in batches for entry in batch.entries)
    assert [row[0] for row in rows] == list(range(1, last_seq + 1))
    assert [row[0] for row in outbox] == told == list(range(PAIRS + 1, last_seq + 1))
    return last_seq


async def test_200_edits_race_with_deletions(database: Database, other_database: Database) -> None:
    chat_id, alice, _ = await make_chat(database)
    batches: list[Batch] = []
    edits = 0

    for seq in range(1, PAIRS + 1):
        place = (chat_id, seq)
        edit = edit_message(database, batches.append, alice.id, place, "Secret", window_s=10**6)
        delete = delete_message(other_database, batches.append, alice.id, place)
        pair = (edit, delete) if seq % 2 else (delete, edit)
        results = await asyncio.gather(*(outcome(change) for change in pair))
        edited, deleted = results if seq % 2 else reversed(results)

        assert isinstance(deleted, Message)
        assert deleted.deleted_at is not None
        assert isinstance(edited, Message) or edited is RefusalCode.INVALID_INPUT
        first = [Change.EDITED] if isinstance(edited, Message) else []
        assert await list_changes(database, seq) == [*first, Change.DELETED]
        edits += len(first)

    assert await database.fetchval("SELECT count(text) FROM messages") == 0
    assert await require_gapless(database, batches) == 2 * PAIRS + edits
    assert 0 < edits < PAIRS


async def test_200_pairs_of_members_react_at_once(
    database: Database, other_database: Database
) -> None:
    chat_id, alice, bob = await make_chat(database)
    batches: list[Batch] = []

    for seq in range(1, PAIRS + 1):
        await asyncio.gather(
            react(database, batches.append, alice.id, (chat_id, seq), THUMB),
            react(other_database, batches.append, bob.id, (chat_id, seq), HEART),
        )

        message = await find_message(database, alice.id, chat_id, seq)
        assert message is not None
        assert sorted(message.reacted) == sorted([(alice.id, THUMB), (bob.id, HEART)])

    assert await require_gapless(database, batches) == 3 * PAIRS


async def test_200_times_one_member_reacts_from_two_devices_at_once(
    database: Database, other_database: Database
) -> None:
    """The last entry says what holds."""
    chat_id, _, bob = await make_chat(database)
    batches: list[Batch] = []

    for seq in range(1, PAIRS + 1):
        await asyncio.gather(
            react(database, batches.append, bob.id, (chat_id, seq), THUMB),
            react(other_database, batches.append, bob.id, (chat_id, seq), HEART),
        )

        message = await find_message(database, bob.id, chat_id, seq)
        entries = [e for b in batches for e in b.entries if e.message.seq == seq]
        assert message is not None
        assert message.reacted == max(entries, key=lambda e: e.seq).message.reacted
        assert len(message.reacted) == 1

    assert await require_gapless(database, batches) == 3 * PAIRS


async def test_what_is_done_twice_at_once_takes_one_seq(
    database: Database, other_database: Database
) -> None:
    chat_id, alice, bob = await make_chat(database)
    batches: list[Batch] = []
    both = (database, other_database)

    for seq in range(1, PAIRS + 1, 2):
        place = (chat_id, seq)
        await asyncio.gather(*(react(d, batches.append, bob.id, place, THUMB) for d in both))
        await asyncio.gather(*(delete_message(d, batches.append, alice.id, place) for d in both))

        assert await list_changes(database, seq) == [Change.REACTED, Change.DELETED]

    assert await require_gapless(database, batches) == 2 * PAIRS


async def test_200_edits_race_with_blocks(database: Database, other_database: Database) -> None:
    """An edit is in the log before the block is answered, or it is refused."""
    chat_id, alice, bob = await make_chat(database)
    batches: list[Batch] = []
    edits, edge = 0, Edge()

    async def block() -> int:
        await set_blocked(other_database, bob.id, alice.id, True, limits=Limits(), now=NOW)
        seen: int = await other_database.fetchval("SELECT last_seq FROM channels")
        return seen

    async def edit(seq: int) -> Message | RefusalCode:
        # It comes about when the block does.
        await steps(edge.steps)
        place = (chat_id, seq)
        return await outcome(
            edit_message(database, batches.append, alice.id, place, "Bye", window_s=10**6)
        )

    for seq in range(1, PAIRS + 1):
        edited, seen = await asyncio.gather(edit(seq), block())
        edge.note(too_early=isinstance(edited, Message))
        if isinstance(edited, Message):
            edits += 1
        else:
            assert edited is RefusalCode.BLOCKED
        # The log is read after the block, and so may only hold edits that came before it.
        assert seen == PAIRS + edits
        await set_blocked(database, bob.id, alice.id, False, limits=Limits(), now=NOW)

    assert await require_gapless(database, batches) == PAIRS + edits
    assert 0 < edits < PAIRS


async def test_a_change_tells_those_who_are_in_the_channel_and_since_when(
    database: Database,
) -> None:
    chat_id, alice, bob = await make_chat(database)
    batches: list[Batch] = []

    await react(database, batches.append, bob.id, (chat_id, 1), THUMB)

    (batch,) = batches
    (entry,) = batch.entries
    told = batch.recipients[chat_id]
    assert (entry.seq, entry.change, entry.message.seq) == (PAIRS + 1, Change.REACTED, 1)
    assert entry.message.kind is MessageKind.TEXT
    assert dict(zip(told.user_ids, told.joined_seqs, strict=True)) == {alice.id: 1, bob.id: 1}


async def test_the_answer_is_not_what_the_entry_is_made_of(database: Database) -> None:
    """The entry learns what is replied to, for all its recipients; who is answered may be one who
    must not see it.
    """
    chat_id, _, bob = await make_chat(database)
    await database.execute("UPDATE messages SET reply_to_seq = 1 WHERE seq = 2")
    batches: list[Batch] = []

    answer = await react(database, batches.append, bob.id, (chat_id, 2), THUMB)
    await hydrate_entries(database, batches[0].entries)

    assert isinstance(batches[0].entries[0].message.reply_to, Message)
    assert answer.reply_to is UNLOADED


async def test_what_changes_nothing_tells_nobody(database: Database) -> None:
    chat_id, alice, bob = await make_chat(database)
    batches: list[Batch] = []

    same = await edit_message(database, batches.append, alice.id, (chat_id, 1), "Hello", window_s=0)
    none = await react(database, batches.append, bob.id, (chat_id, 1), None)
    late = await outcome(
        edit_message(database, batches.append, alice.id, (chat_id, 1), "Bye", window_s=0)
    )

    assert (same.text, none.reacted) == ("Hello", [])
    assert late is RefusalCode.EDIT_WINDOW_CLOSED
    assert batches == []
    assert await require_gapless(database, batches) == PAIRS
