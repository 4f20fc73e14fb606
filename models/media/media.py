"""Media: files that people send, and the forms in which they are stored.

The rows are found by id (`media`), and by nothing else on hot paths: a message holds the ids, a
picture of a user or group a copy of the whole row, which does not change once it is one. What a
storage key is called never leaves the server but in a signed address (models/media/urls.py).
"""

from collections.abc import Sequence
from enum import IntEnum

import asyncpg
import msgspec

from models.database import Database
from models.media.renditions import Rendition, decode_renditions


class MediaKind(IntEnum):
    IMAGE = 1
    VIDEO = 2
    AUDIO = 3
    FILE = 4


class MediaState(IntEnum):
    AWAITING_UPLOAD = 1
    PROCESSING = 2
    READY = 3
    FAILED = 4
    EXPIRED = 5


class Media(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file, as of the fetch."""

    id: str
    owner_id: str
    kind: MediaKind
    state: MediaState
    file_name: str
    content_type: str
    byte_size: int
    failure: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    placeholder: str | None = None
    renditions: list[Rendition] = []


COLUMNS = """d.id, d.owner_id, d.kind, d.state, d.file_name, d.content_type, d.byte_size,
d.failure, d.width, d.height, d.duration_ms, d.placeholder, d.renditions"""

_decode_media = msgspec.json.Decoder(Media).decode
encode_media = msgspec.json.Encoder().encode


def media_of(row: asyncpg.Record) -> Media:
    """Return the media of a row that has `COLUMNS`."""
    return Media(
        id=row["id"],
        owner_id=row["owner_id"],
        kind=MediaKind(row["kind"]),
        state=MediaState(row["state"]),
        file_name=row["file_name"],
        content_type=row["content_type"],
        byte_size=row["byte_size"],
        failure=row["failure"],
        width=row["width"],
        height=row["height"],
        duration_ms=row["duration_ms"],
        placeholder=row["placeholder"],
        renditions=decode_renditions(row["renditions"]),
    )


def picture_of(stored: str | None) -> Media | None:
    """The copy that a user or group keeps of its picture."""
    return None if stored is None else _decode_media(stored)


def stored_picture(media: Media | None) -> str | None:
    """The copy to keep."""
    return None if media is None else encode_media(media).decode()


async def list_media(database: Database, media_ids: Sequence[str]) -> dict[str, Media]:
    """Id to media, for those that exist, whoever may see them."""
    if not media_ids:
        return {}
    rows = await database.fetch(
        f"SELECT {COLUMNS} FROM media d WHERE d.id = ANY ($1::uuid[])", list(media_ids)
    )
    return {row["id"]: media_of(row) for row in rows}
