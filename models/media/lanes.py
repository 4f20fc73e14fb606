"""Lanes of media jobs: each lane is a kind of job with worker places of its own, so that expensive
files never hold up cheap ones.

`QUICK` has pictures, voice messages and small documents. `LONG` has long recordings, large
documents, and what turned out to cost more than `QUICK` allows. `FILM` has videos. Within each
lane, owners take turns.
"""

from models.jobs.due import DueJobs
from models.jobs.jobs import enqueue, queue_of
from models.media.media import MediaKind
from models.postgresql.database import Database

QUICK = "media_render"
LONG = "media_long"
FILM = "media_film"
LANES = (QUICK, LONG, FILM)

# Larger ones are expected to take longer than a picture may.
_QUICK_BYTES = {MediaKind.AUDIO: 1_000_000, MediaKind.FILE: 10_000_000}


def lane_of(kind: MediaKind, byte_size: int) -> str:
    """Return the lane of a file of this kind and size."""
    if kind is MediaKind.VIDEO:
        return FILM
    return QUICK if byte_size <= _QUICK_BYTES.get(kind, byte_size) else LONG


def render_later(due: DueJobs, media_id: str, owner_id: str, lane: str) -> None:
    """Have a job in the lane render the file, unless one waits or runs there already."""
    due.add(lane, [{"media_id": media_id}], dedupe_keys=[_key(lane, media_id)], owner_id=owner_id)


async def queue_render(database: Database, media_id: str, owner_id: str, lane: str) -> None:
    """Queue the file's job in the lane at once, for a job that has it in another lane. Do nothing
    when it waits or runs there already.

    Raises:
        Refused: UNAVAILABLE.
    """
    async with queue_of(database).connection() as connection:
        await enqueue(
            connection,
            lane,
            [{"media_id": media_id}],
            dedupe_keys=[_key(lane, media_id)],
            owner_id=owner_id,
        )


def _key(lane: str, media_id: str) -> str:
    return f"{lane}:{media_id}"
