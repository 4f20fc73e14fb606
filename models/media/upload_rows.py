"""Uploads as rows: what was announced, what became of it, and what an owner may upload in a day."""

from datetime import datetime

import msgspec

from models.budgets import Charge, require_left, spend
from models.database import Database
from models.limits import Limits
from models.media.lanes import lane_of, queue_render
from models.media.media import COLUMNS, Media, MediaState, media_of
from models.media.upload_drafts import UploadDraft, part_sizes


class Upload(msgspec.Struct, frozen=True):
    """`parts_id` is storage's name for one in parts. `completed_at` stays empty where the file
    never was what was announced.
    """

    media: Media
    parts_id: str | None = None
    completed_at: datetime | None = None

    @property
    def key(self) -> str:
        """Where it is brought to, by whoever has a signed request."""
        return f"staging/{self.media.id}"

    @property
    def sizes(self) -> dict[int, int]:
        """Bytes by the number of the part."""
        return part_sizes(self.media.byte_size)


async def require_budget(
    database: Database, owner_id: str, draft: UploadDraft, limits: Limits, *, now: datetime
) -> None:
    """
    Raises:
        Refused: RATE_LIMITED.
    """
    async with database.connection() as connection:
        for charge in _charges(owner_id, draft.byte_size, limits):
            await require_left(connection, charge, now=now)


async def insert_upload(
    database: Database, upload: Upload, limits: Limits, *, now: datetime
) -> None:
    """
    Raises:
        Refused: RATE_LIMITED.
    """
    media = upload.media
    async with database.transaction() as connection:
        charges = _charges(media.owner_id, media.byte_size, limits)
        await spend(connection, charges, now=now)
        await connection.execute(
            """
            INSERT INTO media (id, owner_id, kind, state, file_name, content_type, byte_size,
                               parts_id, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())
            """,
            media.id,
            media.owner_id,
            media.kind.value,
            media.state.value,
            media.file_name,
            media.content_type,
            media.byte_size,
            upload.parts_id,
        )


async def find_own_upload(database: Database, owner_id: str, media_id: str) -> Upload | None:
    row = await database.fetchrow(
        f"SELECT {COLUMNS}, d.parts_id, d.completed_at FROM media d "
        "WHERE d.id = $1 AND d.owner_id = $2",
        media_id,
        owner_id,
    )
    return None if row is None else Upload(media_of(row), row["parts_id"], row["completed_at"])


async def take_over(database: Database, media_id: str, content_id: str) -> Media | None:
    """The file is what is in the folder, and its job is queued; None when it was completed or given
    up meanwhile.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            f"""
            UPDATE media d SET state = $2, content_id = $3, completed_at = now(), parts_id = NULL
            WHERE d.id = $1 AND d.state = $4 RETURNING {COLUMNS}
            """,
            media_id,
            MediaState.PROCESSING.value,
            content_id,
            MediaState.AWAITING_UPLOAD.value,
        )
        if row is None:
            return None
        media = media_of(row)
        lane = lane_of(media.kind, media.byte_size)
        await queue_render(connection, media_id, media.owner_id, lane)
    return media


async def reject_upload(database: Database, media_id: str, failure: str) -> None:
    """FAILED, unless it was completed meanwhile."""
    await database.execute(
        "UPDATE media SET state = $2, failure = $3 WHERE id = $1 AND state = $4",
        media_id,
        MediaState.FAILED.value,
        failure,
        MediaState.AWAITING_UPLOAD.value,
    )


def _charges(owner_id: str, byte_size: int, limits: Limits) -> list[Charge]:
    return [
        Charge(
            f"uploads:megabytes:{owner_id}",
            limits.upload_megabytes_per_user,
            "Too much was uploaded; wait.",
            amount=-(-byte_size // 1_000_000),
        ),
        Charge(
            f"uploads:user:{owner_id}",
            limits.uploads_per_user,
            "Too many files were uploaded; wait.",
        ),
    ]
