"""Releases: how media end, when nothing holds them any more or when every recipient has stored
them.

A row of `media_uses` says what holds media. It is written before the message or picture that it is
about, so a row whose holder is missing may only be early: it counts as abandoned after
`PATIENCE_S`. A deleted message releases its media at once. Whoever adds a use must lock the media
row (FOR SHARE or more), since the row is deleted under its lock.
"""

import msgspec

from models.media.media import MediaState
from models.media.uses import HolderKind, Use
from models.postgresql.database import Connection, Database

PATIENCE_S = 3600.0


class AgedUse(Use, frozen=True, kw_only=True):
    """A use as it was found, and the seconds since it was written."""

    age_s: float


class Release(msgspec.Struct, frozen=True):
    """The result of a look at the holders of a media: the folder in storage that belongs to nobody
    now, and the seconds after which to look again, since a holder may still come.
    """

    content_id: str | None = None
    again_in_s: float | None = None


async def release_media(
    database: Database, media_id: str, *, patience_s: float = PATIENCE_S
) -> Release:
    """Delete the uses whose holder is gone, and the media too when no use is left."""
    uses = await _list_uses(database, media_id)
    early = [0.0]
    kept = 0
    for use in uses:
        held = await _is_held(database, media_id, use)
        if held:
            kept += 1
        elif held is None and use.age_s < patience_s:
            kept += 1
            early.append(patience_s - use.age_s)
        else:
            await _forget(database, media_id, use)
    again_in_s = max(early) or None
    if kept:
        return Release(again_in_s=again_in_s)
    _, content_id = await delete_unused(database, media_id, was_used=True)
    return Release(content_id=content_id)


async def _list_uses(database: Database, media_id: str) -> list[AgedUse]:
    rows = await database.fetch(
        """
        SELECT holder_kind, holder_id, user_id, client_message_id,
            extract(epoch FROM now() - at)::float8 AS age_s
        FROM media_uses WHERE media_id = $1
        """,
        media_id,
    )
    return [
        AgedUse(
            HolderKind(row["holder_kind"]),
            row["holder_id"],
            row["user_id"],
            row["client_message_id"],
            age_s=row["age_s"],
        )
        for row in rows
    ]


async def _is_held(database: Database, media_id: str, use: AgedUse) -> bool | None:
    """Return whether the holder holds the media; None where the holder may still come."""
    if use.holder_kind is HolderKind.MESSAGE:
        return await _is_in_message(database, media_id, use)
    is_user = use.holder_kind is HolderKind.USER
    table, key = ("users", "id") if is_user else ("groups", "channel_id")
    found = await database.fetchval(
        f"SELECT EXISTS (SELECT FROM {table} WHERE {key} = $1 AND avatar->>'id' = $2)",
        use.holder_id,
        media_id,
    )
    return True if found else None


async def _is_in_message(database: Database, media_id: str, use: AgedUse) -> bool | None:
    """Return whether the message holds the media; None where there is no such message yet."""
    held: bool | None = await database.fetchval(
        """
            SELECT deleted_at IS NULL AND coalesce(details->'media' ? $4, false) FROM messages
            WHERE channel_id = $1 AND sender_id = $2 AND client_message_id = $3
            """,
        use.holder_id,
        use.user_id,
        use.client_message_id,
        media_id,
    )
    return held


async def _forget(database: Database, media_id: str, use: AgedUse) -> None:
    """Delete the use, unless it was written again since it was read."""
    await database.execute(
        """
        DELETE FROM media_uses
        WHERE media_id = $1 AND holder_kind = $2 AND holder_id = $3 AND user_id = $4
          AND client_message_id = $5 AND at <= now() - make_interval(secs => $6)
        """,
        media_id,
        use.holder_kind,
        use.holder_id,
        use.user_id,
        use.client_message_id,
        # Time has gone on since.
        use.age_s,
    )


async def delete_unused(
    database: Database, media_id: str, *, was_used: bool
) -> tuple[bool, str | None]:
    """Delete a media that has no uses. `was_used` says whether it must have been used before, or
    never. Return whether it was deleted, and the folder that belongs to nobody now.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            """
            SELECT content_id, content_digest FROM media
            WHERE id = $1 AND (used_at IS NOT NULL) = $2 FOR UPDATE
            """,
            media_id,
            was_used,
        )
        if row is None or await _is_used(connection, media_id):
            return False, None
        content_id = await _let_go(connection, media_id, row["content_id"], row["content_digest"])
        await connection.execute("DELETE FROM media_stored WHERE media_id = $1", media_id)
        await connection.execute("DELETE FROM media WHERE id = $1", media_id)
    return True, content_id


async def _is_used(connection: Connection, media_id: str) -> bool:
    used: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM media_uses WHERE media_id = $1)", media_id
    )
    return used


async def _let_go(
    connection: Connection, media_id: str, content_id: str | None, digest: bytes | None
) -> str | None:
    """Release the media's content. Return its folder and delete the content's row when no other
    media shares it; else return None.
    """
    if digest is None:
        return content_id
    await connection.execute("SELECT 1 FROM media_contents WHERE digest = $1 FOR UPDATE", digest)
    # A statement of its own, after the lock: it sees who took the content meanwhile.
    shared = await connection.fetchval(
        "SELECT 1 FROM media WHERE content_digest = $1 AND id <> $2 LIMIT 1", digest, media_id
    )
    if shared:
        return None
    await connection.execute("DELETE FROM media_contents WHERE digest = $1", digest)
    return content_id


# -------------------------------------------------------------------- after delivery


async def is_delivered(
    database: Database, media_id: str, *, patience_s: float = PATIENCE_S
) -> bool:
    """Return whether every member who should get the media has stored it, in all messages that hold
    it.
    """
    uses = await _list_uses(database, media_id)
    rows = await database.fetch("SELECT user_id FROM media_stored WHERE media_id = $1", media_id)
    stored = [row["user_id"] for row in rows]
    delivered = 0
    for use in uses:
        if use.holder_kind is not HolderKind.MESSAGE:
            continue
        held = await _is_held(database, media_id, use)
        if held:
            if await _lacks_somebody(database, use, stored):
                return False
            delivered += 1
        elif held is None and use.age_s < patience_s:
            return False
    return delivered > 0


async def _lacks_somebody(database: Database, use: AgedUse, stored: list[str]) -> bool:
    """Return whether some recipient of the message is not in `stored`."""
    lacks: bool = await database.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM messages m JOIN members b ON b.channel_id = $1 AND b.left_seq IS NULL
                AND b.joined_seq <= m.seq AND b.user_id <> m.sender_id
            WHERE m.channel_id = $1 AND m.sender_id = $2 AND m.client_message_id = $3
              AND b.user_id <> ALL ($4::uuid[])
        )
        """,
        use.holder_id,
        use.user_id,
        use.client_message_id,
        stored,
    )
    return lacks


async def expire_media(database: Database, media_id: str) -> tuple[bool, str | None]:
    """Set the media to EXPIRED and forget its files, but keep its placeholder. Leave pictures of
    users and groups alone. Return whether the media is EXPIRED now, and the folder that belongs to
    nobody.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            "SELECT state, content_id, content_digest FROM media WHERE id = $1 FOR UPDATE", media_id
        )
        if row is None:
            return False, None
        if row["state"] != MediaState.READY or await _is_picture(connection, media_id):
            return row["state"] == MediaState.EXPIRED, None
        content_id = await _let_go(connection, media_id, row["content_id"], row["content_digest"])
        await connection.execute(
            """
            UPDATE media SET state = $2, renditions = NULL, content_id = NULL, content_digest = NULL
            WHERE id = $1
            """,
            media_id,
            MediaState.EXPIRED.value,
        )
    return True, content_id


async def _is_picture(connection: Connection, media_id: str) -> bool:
    picture: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM media_uses WHERE media_id = $1 AND holder_kind <> $2)",
        media_id,
        HolderKind.MESSAGE.value,
    )
    return picture
