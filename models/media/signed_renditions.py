"""Renditions as clients get them: each with an address that was signed for this request."""

from datetime import datetime

from models.media.media import Media, MediaKind
from models.media.renditions import Rendition, RenditionName
from models.media.urls import MediaUrls
from models.refusals import Refused


class SignedRendition(Rendition, frozen=True, kw_only=True):
    """A rendition, and the address where it can be fetched until `url_expires_at`."""

    url: str
    url_expires_at: datetime


def sign_renditions(media: Media, urls: MediaUrls) -> list[SignedRendition]:
    """Sign all renditions of the media. Return none while the server has no key to sign with: the
    message that holds the media can be shown without them.
    """
    try:
        return [_sign(media, rendition, urls) for rendition in media.renditions]
    except Refused:
        return []


def sign_rendition(media: Media, name: RenditionName, urls: MediaUrls) -> SignedRendition | None:
    """Sign the rendition of that name. Return None if there is none, and while the server has no
    key to sign with.
    """
    found = next((each for each in media.renditions if each.name is name), None)
    try:
        return None if found is None else _sign(media, found, urls)
    except Refused:
        return None


def _sign(media: Media, rendition: Rendition, urls: MediaUrls) -> SignedRendition:
    # An original is downloaded under its name; all other renditions are shown in place.
    is_saved = media.kind is MediaKind.FILE and rendition.name is RenditionName.ORIGINAL
    url, expires_at = urls.sign(
        rendition.key,
        content_type=rendition.content_type,
        file_name=media.file_name if is_saved else None,
    )
    return SignedRendition(
        rendition.name,
        rendition.key,
        rendition.content_type,
        rendition.byte_size,
        rendition.width,
        rendition.height,
        url=url,
        url_expires_at=expires_at,
    )
