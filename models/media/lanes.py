"""Lanes of media jobs: each lane is a kind of job with worker places of its own, so that expensive
files never hold up cheap ones.

`QUICK` has pictures, voice messages and small documents. `LONG` has long recordings, large
documents, and what turned out to cost more than `QUICK` allows. `FILM` has videos. Within each
lane, owners take turns.
"""

from models.jobs.jobs import enqueue
from models.media.media import MediaKind
from models.postgresql.database import Connection

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


async def queue_render(connection: Connection, media_id: str, owner_id: str, lane: str) -> None:
    """Queue the file's job in the lane, within the connection's transaction. Do nothing when it
    waits or runs there already.
    """
    await enqueue(
        connection,
        lane,
        [{"media_id": media_id}],
        dedupe_keys=[f"{lane}:{media_id}"],
        owner_id=owner_id,
    )
