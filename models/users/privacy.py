"""Privacy: who sees the viewer's last seen, who may add them to groups, and whether they show what
they have read.

The settings are columns of the user's row. `read_receipts` is also a mark on their member rows of
chats, so that a page of messages reads no other family; both change in one transaction. Whoever
makes a chat copies the mark while it holds the row (models/channels/chats.py), so that a chat
that opens meanwhile cannot get the old one.
"""

from enum import IntEnum

import msgspec
from msgspec import UNSET, UnsetType

from models.database import Connection, Database
from models.refusals import not_found


class Audience(IntEnum):
    EVERYONE = 1
    CONTACTS = 2
    NOBODY = 3


class PrivacySettings(msgspec.Struct, frozen=True):
    last_seen: Audience
    read_receipts: bool
    add_to_groups: Audience


class PrivacyChanges(msgspec.Struct, frozen=True):
    """What `updatePrivacy` was given; UNSET keeps."""

    last_seen: Audience | UnsetType = UNSET
    read_receipts: bool | UnsetType = UNSET
    add_to_groups: Audience | UnsetType = UNSET


async def get_privacy(database: Database, user_id: str) -> PrivacySettings:
    row = await database.fetchrow(
        "SELECT last_seen_audience, read_receipts, add_to_groups_audience FROM users WHERE id = $1",
        user_id,
    )
    if row is None:
        raise not_found("There is no such user.")
    return PrivacySettings(Audience(row[0]), row[1], Audience(row[2]))


async def update_privacy(
    database: Database, user_id: str, changes: PrivacyChanges
) -> PrivacySettings:
    """Change what was given; the settings as they are now."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            """
            UPDATE users SET
                last_seen_audience = coalesce($2, last_seen_audience),
                read_receipts = coalesce($3, read_receipts),
                add_to_groups_audience = coalesce($4, add_to_groups_audience)
            WHERE id = $1
            RETURNING last_seen_audience, read_receipts, add_to_groups_audience
            """,
            user_id,
            None if changes.last_seen is UNSET else changes.last_seen.value,
            None if changes.read_receipts is UNSET else changes.read_receipts,
            None if changes.add_to_groups is UNSET else changes.add_to_groups.value,
        )
        if row is None:
            raise not_found("There is no such user.")
        if changes.read_receipts is not UNSET:
            await _mark_chats(connection, user_id, hides=not row[1])
    return PrivacySettings(Audience(row[0]), row[1], Audience(row[2]))


async def _mark_chats(connection: Connection, user_id: str, *, hides: bool) -> None:
    """The user's row is held: no chat of theirs opens until this is committed."""
    listed = await connection.fetch(
        "SELECT channel_id FROM user_channels WHERE user_id = $1", user_id
    )
    await connection.execute(
        """
        UPDATE members b SET hides_receipts = $3
        FROM channels c
        WHERE b.channel_id = ANY ($1) AND b.user_id = $2 AND b.hides_receipts <> $3
          AND c.id = ANY ($1) AND c.id = b.channel_id AND c.kind = 1
        """,
        [row[0] for row in listed],
        user_id,
        hides,
    )
