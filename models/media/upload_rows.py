"""Uploads as rows: what was announced, what became of it, and what an upload takes from its owner's
budgets.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from models.jobs.due import transaction_with_jobs
from models.limits.budgets import Charge, require_left, spend
from models.limits.limits import Limits
from models.media.lanes import lane_of, render_later
from models.media.media import COLUMNS, Media, MediaState, media_of
from models.media.upload_drafts import part_sizes
from models.postgresql.database import Database


class Upload(msgspec.Struct, frozen=True):
    """An upload, by its media. `parts_id` is storage's name for an upload in parts. `completed_at`
    is null until the file has arrived as it was announced.
    """

    media: Media
    parts_id: str | None = None
    completed_at: datetime | None = None

    @property
    def key(self) -> str:
        """Return the key in storage to which signed requests bring the file."""
        return f"staging/{self.media.id}"

    @property
    def sizes(self) -> dict[int, int]:
        """Return the bytes of each part by its number, from 1."""
        return part_sizes(self.media.byte_size)


def charges_of(owner_id: str, byte_size: int, limits: Limits) -> list[Charge]:
    """Return what an upload of so many bytes takes from its owner's budgets."""
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


async def require_budget(database: Database, charges: Sequence[Charge], *, now: datetime) -> None:
    """Refuse an upload that the budgets do not allow, without spending anything.

    Raises:
        Refused: RATE_LIMITED.
    """
    async with database.connection() as connection:
        for charge in charges:
            await require_left(connection, charge, now=now)


async def insert_upload(
    database: Database, upload: Upload, charges: Sequence[Charge], *, now: datetime
) -> None:
    """Spend the charges and insert the upload, in one transaction.

    Raises:
        Refused: RATE_LIMITED.
    """
    media = upload.media
    async with database.transaction() as connection:
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
    """Return the owner's upload; None for what is not there or belongs to somebody else."""
    row = await database.fetchrow(
        f"SELECT {COLUMNS}, d.parts_id, d.completed_at FROM media d "
        "WHERE d.id = $1 AND d.owner_id = $2",
        media_id,
        owner_id,
    )
    return None if row is None else Upload(media_of(row), row["parts_id"], row["completed_at"])


async def take_over(database: Database, media_id: str, content_id: str) -> Media | None:
    """Note the folder in which the file is now, and have a job render it. Return the media; None
    when it was completed or rejected meanwhile.
    """
    async with transaction_with_jobs(database) as (connection, due):
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
        render_later(due, media_id, media.owner_id, lane)
    return media


async def reject_upload(database: Database, media_id: str, failure: str) -> None:
    """Set the upload to FAILED, unless it was completed meanwhile."""
    await database.execute(
        "UPDATE media SET state = $2, failure = $3 WHERE id = $1 AND state = $4",
        media_id,
        MediaState.FAILED.value,
        failure,
        MediaState.AWAITING_UPLOAD.value,
    )
