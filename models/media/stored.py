"""Stored media: which users have stored a file for themselves, for servers that delete files once
everybody has them.
"""

from collections.abc import Sequence

from models.jobs.due import transaction_with_jobs
from models.media.uses import list_held
from models.postgresql.database import Database


async def note_stored(database: Database, user_id: str, media_ids: Sequence[str]) -> None:
    """Note that a device of the user has stored these media. Skip media of no message that the user
    can read. Have a job look who still lacks those that are new.
    """
    held = await list_held(database, user_id, media_ids)
    if not held:
        return
    async with transaction_with_jobs(database) as (connection, due):
        rows = await connection.fetchmany(
            "INSERT INTO media_stored (media_id, user_id) VALUES ($1, $2) "
            "ON CONFLICT DO NOTHING RETURNING media_id",
            [(media_id, user_id) for media_id in sorted(held)],
        )
        if rows:
            told = [row["media_id"] for row in rows]
            due.add("media_delivered", [{"media_ids": told}])
