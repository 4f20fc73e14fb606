"""Who has stored which media for themselves, where files go once everybody has them."""

from collections.abc import Sequence

from models.database import Database
from models.jobs.jobs import enqueue
from models.media.uses import list_held


async def note_stored(database: Database, user_id: str, media_ids: Sequence[str]) -> None:
    """A device of the user has these; those of no message that the user can read are passed over.
    Whoever is told anew has a worker look who still lacks them.
    """
    held = await list_held(database, user_id, media_ids)
    if not held:
        return
    async with database.transaction() as connection:
        rows = await connection.fetch(
            """
            INSERT INTO media_stored (media_id, user_id)
            SELECT x.media_id, $2 FROM unnest($1::uuid[]) AS x (media_id) ORDER BY x.media_id
            ON CONFLICT DO NOTHING RETURNING media_id
            """,
            sorted(held),
            user_id,
        )
        if rows:
            told = [row["media_id"] for row in rows]
            await enqueue(connection, "media_delivered", [{"media_ids": told}])
