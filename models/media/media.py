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


class RenditionName(IntEnum):
    THUMBNAIL = 1
    PREVIEW = 2
    FULL = 3
    ORIGINAL = 4


class StoredRendition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stored form of a file, by its key in storage; sizes in bytes and pixels."""

    name: RenditionName
    key: str
    content_type: str
    byte_size: int
    width: int | None = None
    height: int | None = None


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
    renditions: list[StoredRendition] = []


COLUMNS = """d.id, d.owner_id, d.kind, d.state, d.file_name, d.content_type, d.byte_size,
d.failure, d.width, d.height, d.duration_ms, d.placeholder, d.renditions"""

_decode_renditions = msgspec.json.Decoder(list[StoredRendition]).decode
_decode_media = msgspec.json.Decoder(Media).decode
encode_media = msgspec.json.Encoder().encode


def media_of(row: asyncpg.Record) -> Media:
    """A row of `COLUMNS` as media."""
    media = Media(row[0], row[1], MediaKind(row[2]), MediaState(row[3]), *row[4:12])
    if row[12] is not None:
        media = msgspec.structs.replace(media, renditions=_decode_renditions(row[12]))
    return media


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
    return {row[0]: media_of(row) for row in rows}
