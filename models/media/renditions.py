"""Renditions: the stored forms of a file, from the child that makes them to the row that has them.

Imports nothing of PostgreSQL or storage, for the sandbox's children import it.
"""

from collections.abc import Sequence
from enum import IntEnum

import msgspec


class RenditionName(IntEnum):
    THUMBNAIL = 1
    PREVIEW = 2
    FULL = 3
    ORIGINAL = 4


class Rendition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One form of a file; sizes in bytes and pixels. `key` is its key in storage, and until it is
    stored the name of its file in the folder where it was made.
    """

    name: RenditionName
    key: str
    content_type: str
    byte_size: int
    width: int | None = None
    height: int | None = None


_decode = msgspec.json.Decoder(list[Rendition]).decode
_encode = msgspec.json.Encoder().encode


def decode_renditions(column: str | None) -> list[Rendition]:
    """Return the renditions that a row's JSON column lists; none for NULL."""
    return [] if column is None else _decode(column)


def encode_renditions(renditions: Sequence[Rendition]) -> str:
    """Return the JSON that a row's column keeps of these renditions."""
    return _encode(renditions).decode()
