"""Processing: the rows that a worker writes about an uploaded file. They count the tries at which a
worker died, hold the result, and say which content the file shares with others.

A content is stored once for each owner: `media_contents` has a row for it, found by its digest, and
every READY media of that content names its folder. Lock the media row before the content row.
Folders have random names, one for each upload, so deleting one never meets another that was just
made.
"""

from enum import Enum

import asyncpg
import msgspec

from models.media.media import MediaKind, MediaState
from models.media.renditions import Rendition, decode_renditions, encode_renditions
from models.postgresql.database import Connection, Database

UNUSABLE = "The file could not be used."


class MediaToRender(msgspec.Struct, frozen=True):
    """An uploaded file as its job finds it. `set_aside` is true when the job was given up by a
    fault of ours and may be tried again.
    """

    id: str
    owner_id: str
    kind: MediaKind
    state: MediaState
    byte_size: int
    content_id: str | None
    set_aside: bool

    @property
    def is_to_do(self) -> bool:
        """Tell whether the file still has to be rendered."""
        return self.state is MediaState.PROCESSING or self.set_aside


class Content(msgspec.Struct, frozen=True):
    """What was made of a file, and the folder `content_id` in which it is stored."""

    content_id: str
    content_type: str
    renditions: list[Rendition]
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    placeholder: str | None = None


class Settled(Enum):
    """How `settle_media` ended. `OURS`: the content is that of this upload. `THEIRS`: an equal
    content was stored before. `MISSING`: no equal content is stored. `OVER`: the media is gone or
    was settled already.
    """

    OURS = 1
    THEIRS = 2
    MISSING = 3
    OVER = 4


_CONTENT = """content_id, content_type, renditions, width, height, duration_ms, placeholder"""
# A file that was given up by a fault of ours keeps its folder; one that is unusable does not.
_TO_DO = (
    f"(state = {MediaState.PROCESSING:d} "
    f"OR (state = {MediaState.FAILED:d} AND content_id IS NOT NULL))"
)


async def find_media_to_render(database: Database, media_id: str) -> MediaToRender | None:
    """Return the file of a job; None when it was deleted."""
    row = await database.fetchrow(
        "SELECT id, owner_id, kind, state, byte_size, content_id FROM media WHERE id = $1",
        media_id,
    )
    if row is None:
        return None
    state = MediaState(row["state"])
    return MediaToRender(
        id=row["id"],
        owner_id=row["owner_id"],
        kind=MediaKind(row["kind"]),
        state=state,
        byte_size=row["byte_size"],
        content_id=row["content_id"],
        set_aside=state is MediaState.FAILED and row["content_id"] is not None,
    )


async def count_try(database: Database, media_id: str) -> int:
    """Count one more try, and return how many tries began and did not end, including this one.
    Return 0 when the media is gone or settled.
    """
    tries = await database.fetchval(
        f"UPDATE media SET tries = tries + 1 WHERE id = $1 AND {_TO_DO} RETURNING tries", media_id
    )
    return tries or 0


async def take_back_try(database: Database, media_id: str) -> None:
    """Take back the try that was counted, since the worker survived it."""
    await database.execute(
        "UPDATE media SET tries = tries - 1 WHERE id = $1 AND tries > 0", media_id
    )


async def fail_media(
    database: Database, media_id: str, failure: str, *, set_aside: bool = False
) -> bool:
    """Set the media to FAILED, which everybody sees. Return whether it was not so before. Its
    folder then belongs to nobody, unless `set_aside` keeps it for another try.
    """
    done = await database.execute(
        f"""
        UPDATE media SET state = {MediaState.FAILED:d}, failure = $2,
            content_id = CASE WHEN $3 THEN content_id END,
            tries = CASE WHEN $3 THEN 0 ELSE tries END
        WHERE id = $1 AND {_TO_DO}
        """,
        media_id,
        failure,
        set_aside,
    )
    return done != "UPDATE 0"


async def settle_media(
    database: Database, media_id: str, digest: bytes, made: Content | None
) -> Settled:
    """Set the media to READY with the content of this digest: the one that is stored already, else
    `made`. Change nothing when there is neither.
    """
    async with database.transaction() as connection:
        found = await connection.fetchval(
            f"SELECT 1 FROM media WHERE id = $1 AND {_TO_DO} FOR UPDATE", media_id
        )
        if found is None:
            return Settled.OVER
        content = await _lock_content(connection, digest, made)
        if content is None:
            return Settled.MISSING
        await connection.execute(
            f"""
            UPDATE media SET state = {MediaState.READY:d}, failure = NULL,
                content_digest = $2, content_id = $3,
                content_type = $4, renditions = $5, width = $6, height = $7, duration_ms = $8,
                placeholder = $9
            WHERE id = $1
            """,
            media_id,
            digest,
            *_values(content),
        )
    return Settled.OURS if content is made else Settled.THEIRS


async def _lock_content(
    connection: Connection, digest: bytes, made: Content | None
) -> Content | None:
    """Lock the content of this digest and return it. Insert `made` where there is none."""
    while True:
        # A statement of its own: it sees what was committed while another waited.
        row = await connection.fetchrow(
            f"SELECT {_CONTENT} FROM media_contents WHERE digest = $1 FOR UPDATE", digest
        )
        if row is not None:
            return _content_of(row)
        if made is None:
            return None
        inserted = await connection.fetchval(
            f"""
            INSERT INTO media_contents (digest, {_CONTENT}, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())
            ON CONFLICT DO NOTHING RETURNING 1
            """,
            digest,
            *_values(made),
        )
        if inserted:
            return made


def _content_of(row: asyncpg.Record) -> Content:
    return Content(
        row["content_id"],
        row["content_type"],
        decode_renditions(row["renditions"]),
        row["width"],
        row["height"],
        row["duration_ms"],
        row["placeholder"],
    )


def _values(content: Content) -> tuple[object, ...]:
    return (
        content.content_id,
        content.content_type,
        encode_renditions(content.renditions),
        content.width,
        content.height,
        content.duration_ms,
        content.placeholder,
    )


def folder_of(content_id: str) -> str:
    """Return the prefix of all storage keys of a content."""
    return f"media/{content_id}/"


def original_of(content_id: str) -> str:
    """Return the storage key of the file as it was uploaded."""
    return f"media/{content_id}/original"
