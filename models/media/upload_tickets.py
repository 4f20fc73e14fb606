"""Tickets: how a client brings an upload to storage, in one piece or in resumable parts."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from models.media.media import Media
from models.media.upload_rows import Upload
from models.storage.bucket import SignedRequest, Storage
from models.storage.parts import ArrivedPart


class UploadPart(msgspec.Struct, frozen=True):
    """A part of a file, and the request that brings it to storage."""

    number: int
    request: SignedRequest
    byte_size: int
    uploaded: bool


class UploadTicket(msgspec.Struct, frozen=True):
    """How to bring a file to storage. The requests may be begun until `expires_at`. There are no
    parts once the file is complete.
    """

    media: Media
    parts: list[UploadPart]
    expires_at: datetime


def whole_parts(upload: Upload, arrived: Mapping[int, ArrivedPart]) -> dict[int, ArrivedPart]:
    """Return the parts that have arrived with all of their bytes, by number."""
    return {
        number: arrived[number]
        for number, byte_size in upload.sizes.items()
        if number in arrived and arrived[number].byte_size == byte_size
    }


def sign_ticket(
    storage: Storage, upload: Upload, arrived: Collection[int], now: datetime, ttl_s: int
) -> UploadTicket:
    """Sign a request for each part of the upload, also for those whose numbers have `arrived`.

    Raises:
        Refused: UNAVAILABLE while there is no access key to sign with.
    """
    parts = [
        UploadPart(
            number,
            _sign(storage, upload, number, byte_size, ttl_s),
            byte_size,
            uploaded=number in arrived,
        )
        for number, byte_size in upload.sizes.items()
    ]
    return UploadTicket(upload.media, parts, now + timedelta(seconds=ttl_s))


def _sign(
    storage: Storage, upload: Upload, number: int, byte_size: int, ttl_s: int
) -> SignedRequest:
    if upload.parts_id is None:
        content_type = upload.media.content_type
        return storage.sign_put(
            upload.key, content_type=content_type, byte_size=byte_size, ttl_s=ttl_s
        )
    return storage.sign_part(upload.key, upload.parts_id, number, byte_size=byte_size, ttl_s=ttl_s)
