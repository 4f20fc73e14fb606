"""Media: the files that people send, as rows.

Hot paths find the rows by id only. A message holds the ids of its media; a user or group holds a
copy of its picture's whole row, which does not change any more by then. Storage keys leave the
server only inside signed addresses (models/media/urls.py).
"""

from collections.abc import Sequence
from enum import IntEnum

import asyncpg
import msgspec

from models.media.renditions import Rendition, RenditionName, decode_renditions
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id


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
    """A file, as it was when it was read."""

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

    @property
    def is_animated(self) -> bool:
        """Return whether it is a picture that moves: only those have a whole beside the stills."""
        return self.kind is MediaKind.IMAGE and any(
            each.name is RenditionName.FULL for each in self.renditions
        )


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
    """Return the picture that a user or group keeps a copy of, from its column."""
    return None if stored is None else _decode_media(stored)


def stored_picture(media: Media | None) -> str | None:
    """Return the copy of a picture that the column of a user or group keeps."""
    return None if media is None else encode_media(media).decode()


async def list_media(database: Database, media_ids: Sequence[str]) -> dict[str, Media]:
    """Return the media that exist, by id, without asking who may see them."""
    rows = await fetch_by_id(
        database, f"SELECT {COLUMNS} FROM media d WHERE d.id = ANY ($1::uuid[])", media_ids
    )
    return {row["id"]: media_of(row) for row in rows}
