"""Renditions as a client gets them: with an address that was signed for the asking."""

from datetime import datetime

import msgspec

from models.media.media import Media, MediaKind, RenditionName, StoredRendition
from models.media.urls import MediaUrls
from models.refusals import Refused


class Rendition(msgspec.Struct, frozen=True):
    """A stored form of a file, in bytes and pixels, and where it is fetched until
    `url_expires_at`.
    """

    name: RenditionName
    content_type: str
    byte_size: int
    width: int | None
    height: int | None
    url: str
    url_expires_at: datetime


def sign_renditions(media: Media, urls: MediaUrls) -> list[Rendition]:
    """All of them; none while the server has no key to sign with, which is no reason to show
    nothing of a message.
    """
    try:
        return [_sign(media, stored, urls) for stored in media.renditions]
    except Refused:
        return []


def _sign(media: Media, stored: StoredRendition, urls: MediaUrls) -> Rendition:
    # What is only saved is saved under its name; the rest is shown in place.
    is_saved = media.kind is MediaKind.FILE and stored.name is RenditionName.ORIGINAL
    url, expires_at = urls.sign(
        stored.key,
        content_type=stored.content_type,
        file_name=media.file_name if is_saved else None,
    )
    return Rendition(
        stored.name,
        stored.content_type,
        stored.byte_size,
        stored.width,
        stored.height,
        url,
        expires_at,
    )
