"""A device has ten named streams, each kept for 30 days after its last use; who was forgotten is
told, and never left with a gap.
"""

import asyncio

from models.limits.limits import Limits
from models.log.committer import Committer
from models.log.streams.named import NAMES_PER_DEVICE
from models.postgresql.database import Database
from models.sweeping import delete_ended_rows
from tests.client import Json
from tests.live.conftest import Follow
from tests.live.inbox.inboxes import position
from tests.live.streams.following import STREAM, missed, missed_seqs, new_cursor, take
from tests.make import AnotherDevice, Person, write_history
from tests.times import earlier


def resync(channel_id: str, seq: int) -> Json:
    return {"__typename": "ResyncRequired", "channelId": channel_id, "seq": seq}


async def use(person: Person, *names: str) -> None:
    for name in names:
        await new_cursor(person, streamId=name)


async def days_pass(database: Database, days: int) -> None:
    before = earlier("used_at", f"interval '{days} days'")
    await database.execute(f"UPDATE inbox_streams SET used_at = {before}")


async def test_an_eleventh_name_forgets_the_stream_that_was_used_least_recently(
    alice: Person,
    bob: Person,
    chat: str,
    database: Database,
    another_device: AnotherDevice,
    follow: Follow,
) -> None:
    await alice.say(chat, "stored in all tabs")
    await use(await another_device(bob), "a tab of another device")
    await use(bob, "oldest")
    await days_pass(database, 2)
    await use(bob, *(f"tab {n}" for n in range(2, 11)))
    await take(bob, "tab 2", await new_cursor(bob, streamId="tab 2"))
    await days_pass(database, 1)
    await use(bob, "tab 11")
    await bob.acknowledge(chat, delivered=1)

    # Again and again, until it acknowledges: that the client was told is not known either.
    for _ in range(2):
        async with follow(bob, STREAM, streamId="oldest") as stream:
            happened, cursor = await missed(stream)
            assert happened == [resync(chat, 1)]
    async with follow(bob, STREAM, streamId="tab 2") as stream:
        assert await missed_seqs(stream) == []
    async with follow(bob, STREAM, streamId="oldest", after=position(chat, 0)) as stream:
        assert await missed_seqs(stream) == [1]

    await take(bob, "oldest", cursor)
    await alice.say(chat, "then")
    async with follow(bob, STREAM, streamId="oldest") as stream:
        assert await missed_seqs(stream) == [2]


async def test_a_stream_that_was_not_used_for_30_days_is_forgotten(
    alice: Person, bob: Person, chat: str, database: Database, committer: Committer, follow: Follow
) -> None:
    await write_history(committer, alice, chat, 2)
    await take(bob, "tab", await new_cursor(bob, streamId="tab"))
    await days_pass(database, Limits().stream_kept_days - 1)
    async with follow(bob, STREAM, streamId="tab") as stream:
        assert await missed_seqs(stream) == []

    # It was used just now.
    await days_pass(database, Limits().stream_kept_days + 1)

    async with follow(bob, STREAM, streamId="tab") as stream:
        assert (await missed(stream))[0] == [resync(chat, 2)]
    async with follow(bob, STREAM, streamId="tab", after=position(chat, 1)) as stream:
        assert await missed_seqs(stream) == [2]


async def test_the_sweep_forgets_streams_and_later_their_names(
    bob: Person, database: Database
) -> None:
    await use(bob, "old")
    await days_pass(database, 170)
    await use(bob, "forgotten")
    await days_pass(database, 31)
    await use(bob, "tab")

    await delete_ended_rows(database)

    rows = await database.fetch(
        "SELECT stream_id, began IS NOT NULL AS kept FROM inbox_streams ORDER BY used_at"
    )
    assert [(row["stream_id"], row["kept"]) for row in rows] == [
        ("forgotten", False),
        ("tab", True),
    ]


async def test_names_end_with_their_device(bob: Person, database: Database) -> None:
    await use(bob, "tab")

    await bob.mutate("mutation { signOut { __typename } }")

    assert await database.fetchval("SELECT count(*) FROM inbox_streams") == 0


async def test_a_device_has_a_hundred_names_at_most(bob: Person, database: Database) -> None:
    await use(bob, "tab")
    await database.execute(
        "INSERT INTO inbox_streams SELECT user_id, device_id, 'tab ' || n, NULL, NULL, "
        "used_at - n * interval '1 hour' FROM inbox_streams, generate_series(1, 120) n"
    )

    await use(bob, "another")

    names = await database.fetch("SELECT stream_id FROM inbox_streams ORDER BY used_at DESC")
    assert [row["stream_id"] for row in names][:2] == ["another", "tab"]
    assert len(names) == 100


async def test_names_without_end_leave_a_hundred_rows_and_ten_streams(
    bob: Person, chat: str, database: Database, another_device: AnotherDevice
) -> None:
    """Also those that are made at the same time; another device's stay."""
    other = await another_device(bob)
    await take(other, "a tab of another device", await new_cursor(other))
    cursor = await new_cursor(bob)
    for first in range(0, 200, 20):
        names = [f"tab {n}" for n in range(first, first + 20)]
        taken = await asyncio.gather(*(take(bob, name, cursor) for name in names))
        assert {each["__typename"] for each in taken} == {"AcknowledgePayload"}

    await take(bob, "the last one", cursor)

    rows = await database.fetch("SELECT device_id, stream_id, began FROM inbox_streams")
    names = [row["stream_id"] for row in rows if row["device_id"] == bob.inner_device_id]
    kept = [row for row in rows if row["device_id"] == bob.inner_device_id and row["began"]]
    assert (len(names), len(kept)) == (NAMES_PER_DEVICE, Limits().streams_per_device)
    assert "the last one" in names
    assert len(rows) == len(names) + 1
