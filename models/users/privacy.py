"""Privacy: who sees when a user was last seen, who may add them to groups, and whether they show
what they have read.

The settings are columns of the user's row. `read_receipts` is also a mark on their member rows of
chats, so that a page of messages reads no other family; both change in one transaction. Whoever
makes a chat copies the mark while it holds the row (models/channels/chats.py), so that a chat
that opens meanwhile cannot get the old one.
"""

from enum import IntEnum

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from models.channel_kinds import ChannelKind
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import split_lanes
from models.refusals import not_found

_COLUMNS = "last_seen_audience, read_receipts, add_to_groups_audience"


class Audience(IntEnum):
    """Whom a setting admits. The numbers are those in the columns `…_audience` of `users`."""

    EVERYONE = 1
    CONTACTS = 2
    NOBODY = 3


class PrivacySettings(msgspec.Struct, frozen=True):
    """One user's settings; `read_receipts` is whether chats show what they have read."""

    last_seen: Audience
    read_receipts: bool
    add_to_groups: Audience


class PrivacyChanges(msgspec.Struct, frozen=True):
    """The changes that `updatePrivacy` asks for; UNSET keeps a setting."""

    last_seen: Audience | UnsetType = UNSET
    read_receipts: bool | UnsetType = UNSET
    add_to_groups: Audience | UnsetType = UNSET


def _settings_of(row: asyncpg.Record) -> PrivacySettings:
    return PrivacySettings(
        last_seen=Audience(row["last_seen_audience"]),
        read_receipts=row["read_receipts"],
        add_to_groups=Audience(row["add_to_groups_audience"]),
    )


async def get_privacy(database: Database, user_id: str) -> PrivacySettings:
    """Return the user's settings.

    Raises:
        Refused: NOT_FOUND.
    """
    row = await database.fetchrow(
        f"SELECT {_COLUMNS} FROM users WHERE id = $1",
        user_id,
    )
    if row is None:
        raise not_found("There is no such user.")
    return _settings_of(row)


async def update_privacy(
    database: Database, user_id: str, changes: PrivacyChanges
) -> PrivacySettings:
    """Change what is not UNSET, and return the settings as they are now.

    Raises:
        Refused: NOT_FOUND.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            f"""
            UPDATE users SET
                last_seen_audience = coalesce($2, last_seen_audience),
                read_receipts = coalesce($3, read_receipts),
                add_to_groups_audience = coalesce($4, add_to_groups_audience)
            WHERE id = $1
            RETURNING {_COLUMNS}
            """,
            user_id,
            None if changes.last_seen is UNSET else changes.last_seen.value,
            None if changes.read_receipts is UNSET else changes.read_receipts,
            None if changes.add_to_groups is UNSET else changes.add_to_groups.value,
        )
        if row is None:
            raise not_found("There is no such user.")
        if changes.read_receipts is not UNSET:
            await _mark_chats(database, connection, user_id, hides=not row["read_receipts"])
    return _settings_of(row)


async def _mark_chats(
    database: Database, connection: Connection, user_id: str, *, hides: bool
) -> None:
    """Copy the setting to the user's member rows of chats, at most one statement a lane.

    The caller holds the user's row: no chat of theirs opens until this is committed.
    """
    listed = await connection.fetch(
        "SELECT channel_id FROM user_channels WHERE user_id = $1", user_id
    )
    channel_ids = [row["channel_id"] for row in listed]
    for lane in split_lanes(database, channel_ids, lambda channel_id: channel_id):
        await connection.execute(
            f"""
            UPDATE members b SET hides_receipts = $3
            FROM channels c
            WHERE b.channel_id = ANY ($1) AND b.user_id = $2 AND b.hides_receipts <> $3
              AND c.id = ANY ($1) AND c.id = b.channel_id AND c.kind = {ChannelKind.CHAT:d}
            """,
            lane,
            user_id,
            hides,
        )
