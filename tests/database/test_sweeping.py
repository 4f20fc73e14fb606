"""Rows whose time is over go, and no others."""

from datetime import UTC, datetime, timedelta

from models import ids
from models.devices.known_networks import note_network
from models.devices.revocations import note_revocation
from models.postgresql.database import Database
from models.sweeping import delete_ended_rows
from models.tokens import Tokens


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


async def test_networks_where_nobody_was_for_half_a_year_are_strangers_again(
    database: Database, tokens: Tokens
) -> None:
    async with database.connection() as connection:
        for days, address in ((181.0, "192.0.2.1"), (179.0, "198.51.100.1")):
            await note_network(connection, tokens, ids.new_id(), address, now=ago(days))
        # One that is seen again stays; what is less than a day newer is not written.
        user_id = ids.new_id()
        for days in (181.0, 2.0, 1.5):
            await note_network(connection, tokens, user_id, "203.0.113.1", now=ago(days))

    await delete_ended_rows(database)

    left = await database.fetch("SELECT seen_at FROM known_networks ORDER BY seen_at")
    assert [(datetime.now(UTC) - row[0]).days for row in left] == [179, 2]


async def test_mail_addresses_that_nobody_confirmed_are_forgotten_but_for_what_they_refuse(
    database: Database,
) -> None:
    rows = {
        "confirmed": (ago(90), None),
        "refused": (None, ago(90)),
        "forgotten": (None, None),
    }
    for address, (confirmed_at, refused_at) in rows.items():
        await database.execute(
            "INSERT INTO push_mails (user_id, digest, address, confirmed_at, refused_at, nonce, "
            "asked_at, expires_at, tries_left) VALUES ($1, $2, $3, $4, $5, '', $6, $6, 0)",
            ids.new_id(),
            address.encode(),
            address,
            confirmed_at,
            refused_at,
            ago(31),
        )

    await delete_ended_rows(database)

    left = await database.fetch("SELECT address FROM push_mails ORDER BY address")
    assert [row[0] for row in left] == ["confirmed", "refused"]


async def test_revocations_are_kept_for_a_day(database: Database) -> None:
    kept, over = ids.new_id(), ids.new_id()
    async with database.connection() as connection:
        for device_id in (kept, over):
            await note_revocation(connection, ids.new_id(), device_id)
    await database.execute("UPDATE revocations SET at = $2 WHERE device_id = $1", kept, ago(0.9))
    await database.execute("UPDATE revocations SET at = $2 WHERE device_id = $1", over, ago(1.1))

    await delete_ended_rows(database)

    left = await database.fetch("SELECT device_id FROM revocations")
    assert [row["device_id"] for row in left] == [kept]
