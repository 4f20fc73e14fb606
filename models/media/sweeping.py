"""Sweeping: which media rows are past their time, and what storage should hold, for the sweep and
for the check. Ages are by PostgreSQL's clock.
"""

from collections.abc import Sequence

import msgspec

from models.media.media import MediaState
from models.media.processing import original_of
from models.media.renditions import decode_renditions
from models.media.uses import HolderKind
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id


class Unfinished(msgspec.Struct, frozen=True):
    """An upload that was begun and not completed."""

    media_id: str
    parts_id: str | None


async def list_unfinished(
    database: Database, *, older_than_s: float, most: int
) -> list[Unfinished]:
    """Return at most `most` uploads that are older than this and were never completed, oldest
    first.
    """
    rows = await database.fetch(
        f"""
        SELECT id, parts_id FROM media
        WHERE used_at IS NULL AND state = {MediaState.AWAITING_UPLOAD:d}
          AND created_at < now() - make_interval(secs => $1)
        ORDER BY created_at LIMIT $2
        """,
        older_than_s,
        most,
    )
    return [Unfinished(row["id"], row["parts_id"]) for row in rows]


async def delete_unfinished(database: Database, media_ids: Sequence[str]) -> None:
    """Delete these uploads, except those that were completed meanwhile."""
    await fetch_by_id(
        database,
        "DELETE FROM media WHERE id = ANY ($1::uuid[]) AND state = $2 AND used_at IS NULL",
        media_ids,
        MediaState.AWAITING_UPLOAD.value,
    )


async def list_never_used(database: Database, *, older_than_s: float, most: int) -> list[str]:
    """Return the ids of media that were uploaded and never put into a message or picture."""
    rows = await database.fetch(
        f"""
        SELECT id FROM media
        WHERE used_at IS NULL AND state <> {MediaState.AWAITING_UPLOAD:d}
          AND created_at < now() - make_interval(secs => $1)
        ORDER BY created_at LIMIT $2
        """,
        older_than_s,
        most,
    )
    return [row["id"] for row in rows]


async def list_uses_to_check(
    database: Database, *, older_than_s: float, window_s: float
) -> list[str]:
    """Return the ids of media with uses that reached this age within the window. Whatever should
    hold them is there by now, or never came.
    """
    rows = await database.fetch(
        """
        SELECT DISTINCT media_id FROM media_uses
        WHERE at < now() - make_interval(secs => $1)
          AND at >= now() - make_interval(secs => $1 + $2)
        """,
        older_than_s,
        window_s,
    )
    return [row["media_id"] for row in rows]


async def list_kept_too_long(database: Database, *, older_than_s: float, most: int) -> list[str]:
    """Return the ids of READY media in messages that are older than this, without those that are
    also a picture of a user or group.
    """
    rows = await database.fetch(
        f"""
        SELECT d.id FROM media d
        WHERE d.state = {MediaState.READY:d} AND d.completed_at < now() - make_interval(secs => $1)
          AND d.used_at IS NOT NULL
          AND NOT EXISTS (
              SELECT FROM media_uses u
              WHERE u.media_id = d.id AND u.holder_kind <> {HolderKind.MESSAGE:d}
          )
        ORDER BY d.completed_at LIMIT $2
        """,
        older_than_s,
        most,
    )
    return [row["id"] for row in rows]


class Expected(msgspec.Struct):
    """The keys of one folder according to the rows: keys that must be there, and keys that may be.
    While a job works on the folder, any key may be there.
    """

    must: set[str]
    may: set[str]
    is_worked_on: bool = False


async def list_expected(
    database: Database, *, first_id: str, last_id: str, keeps: bool
) -> dict[str, Expected]:
    """Return what is expected of all folders in a range of content ids, both ends included, by
    content id. `keeps` says that originals which are no rendition may stay.
    """
    rows = await database.fetch(
        f"""
        SELECT content_id, state, renditions FROM media
        WHERE content_id >= $1 AND content_id <= $2
        UNION ALL
        SELECT content_id, {MediaState.READY:d}, renditions FROM media_contents
        WHERE content_id >= $1 AND content_id <= $2
        """,
        first_id,
        last_id,
    )
    folders: dict[str, Expected] = {}
    for row in rows:
        folder = folders.setdefault(row["content_id"], Expected(set(), set()))
        if row["state"] != MediaState.READY:
            folder.is_worked_on = True
        else:
            folder.must.update(each.key for each in decode_renditions(row["renditions"]))
        if keeps:
            folder.may.add(original_of(row["content_id"]))
    return folders
