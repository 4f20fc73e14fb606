"""Rows of media, for tests of the job."""

from models.media.media import MediaState
from tests.jobs.running import list_states
from tests.media.making import Files


async def is_done(files: Files, *media_ids: str) -> bool:
    """Nothing is left to do, and these are READY."""
    states = [await files.state(media_id) for media_id in media_ids]
    return states == [MediaState.READY] * len(media_ids) and not await list_states(files.database)


async def changes_of(files: Files) -> list[tuple[int, int]]:
    """Kind and seq of each change in any log."""
    rows = await files.database.fetch("SELECT kind, seq FROM changes ORDER BY seq")
    return [(row[0], row[1]) for row in rows]
