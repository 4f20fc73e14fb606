"""How media end: when nothing holds them any more, or when everybody has them.

What holds media is a row of `media_uses`, written before the message or picture that it speaks of.
A row whose holder is not there may be early: only after `PATIENCE_S` is it taken for one that never
came. A deleted message lets go at once. Whoever adds a use must lock the media row (FOR SHARE or
more), since it is deleted under its lock.
"""

import msgspec

from models.database import Connection, Database
from models.media.media import MediaState
from models.media.uses import HolderKind, Use

PATIENCE_S = 3600.0


class AgedUse(Use, frozen=True, kw_only=True):
    """A use as it was found, and the seconds since it was written."""

    age_s: float


class Release(msgspec.Struct, frozen=True):
    """What came of a look at a media's holders: the folder of storage that is nobody's now; and in
    how many seconds to look again, since a holder may still come.
    """

    content_id: str | None = None
    again_in_s: float | None = None


async def release_media(
    database: Database, media_id: str, *, patience_s: float = PATIENCE_S
) -> Release:
    """Forget the uses whose holder is gone, and the media with them when none is left."""
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
    """Whether the holder holds it; None where it may still come."""
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
    """Unless it was written anew."""
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
    """Delete a media that nothing uses, and that was used once or never: whether it is deleted, and
    the folder that is nobody's now.
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
    """The folder, when no other media shares its content, whose row goes then."""
    if digest is None:
        return content_id
    await connection.execute("SELECT 1 FROM media_contents WHERE digest = $1 FOR UPDATE", digest)
    # A statement of its own, after the lock: it sees who took the content meanwhile.
    shared = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM media WHERE content_digest = $1 AND id <> $2)", digest, media_id
    )
    if shared:
        return None
    await connection.execute("DELETE FROM media_contents WHERE digest = $1", digest)
    return content_id


# -------------------------------------------------------------------- after delivery


async def is_delivered(
    database: Database, media_id: str, *, patience_s: float = PATIENCE_S
) -> bool:
    """Whether every member who is to have it has stored it, wherever a message holds it."""
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
    """EXPIRED, its files gone but for the placeholder: whether it is so now, and the folder that is
    nobody's. Not for pictures.
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
