"""Uploads in parts: begun, listed, finished or aborted by name. Clients bring the parts themselves,
by signed requests.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from models.refusals import RefusalCode, Refused, not_found
from models.storage.client import MOVE_S, Bucket

BAD_PARTS = ("InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML")
NO_UPLOAD = "NoSuchUpload"


class ArrivedPart(NamedTuple):
    """A part that storage has; the etag changes with the bytes."""

    byte_size: int
    etag: str


class UnfinishedParts(msgspec.Struct, frozen=True):
    """An upload in parts that was neither finished nor aborted."""

    key: str
    parts_id: str
    begun_at: datetime


class PartsUploads:
    """The uploads in parts of one bucket. Calls refuse with UNAVAILABLE while storage is away."""

    def __init__(self, bucket: Bucket, *, page_size: int) -> None:
        self._bucket = bucket
        self._page_size = page_size

    async def begin(self, key: str, *, content_type: str) -> str:
        """Begin an upload. Return storage's name for it, by which its parts are signed, listed,
        finished and aborted.
        """
        begun = await self._bucket.ask("create_multipart_upload", Key=key, ContentType=content_type)
        return str(begun["UploadId"])

    async def list_arrived(self, key: str, parts_id: str) -> dict[int, ArrivedPart]:
        """Return the parts that have arrived, by number.

        Raises:
            Refused: NOT_FOUND when they were finished or aborted.
        """
        arrived: dict[int, ArrivedPart] = {}
        after = 0
        while True:
            page = await self._bucket.ask(
                "list_parts",
                Key=key,
                UploadId=parts_id,
                PartNumberMarker=after,
                MaxParts=self._page_size,
            )
            for part in page.get("Parts", ()):
                arrived[part["PartNumber"]] = ArrivedPart(part["Size"], part["ETag"].strip('"'))
            after = page.get("NextPartNumberMarker") or 0
            if not page.get("IsTruncated") or not after:
                return arrived

    async def finish(self, key: str, parts_id: str, parts: Mapping[int, ArrivedPart]) -> None:
        """Make one object of the parts, as `list_arrived` returned them. Do nothing when that is
        done already.

        Raises:
            Refused: NOT_FOUND when they were aborted, CONFLICT when one has changed, or is too
                small.
        """
        listed = [
            {"PartNumber": number, "ETag": f'"{part.etag}"'}
            for number, part in sorted(parts.items())
        ]
        done = await self._bucket.ask(
            "complete_multipart_upload",
            expecting=(NO_UPLOAD, *BAD_PARTS),
            deadline_s=MOVE_S,
            Key=key,
            UploadId=parts_id,
            MultipartUpload={"Parts": listed},
        )
        if done in BAD_PARTS:
            raise Refused(RefusalCode.CONFLICT, "The parts are not those that were listed.")
        if done == NO_UPLOAD and await self._bucket.find(key) is None:
            raise not_found("The upload in parts is not in storage.")

    async def abort(self, key: str, parts_id: str) -> None:
        """Delete what has arrived, if anything has. A part that is on its way meanwhile may
        survive: `list_unfinished` finds it later.
        """
        gone = (NO_UPLOAD, "404")
        await self._bucket.ask("abort_multipart_upload", expecting=gone, Key=key, UploadId=parts_id)

    async def list_unfinished(self, prefix: str) -> AsyncIterator[UnfinishedParts]:
        """Yield the unfinished uploads of keys that begin so, in no particular order."""
        markers: dict[str, Any] = {}
        while True:
            page = await self._bucket.ask(
                "list_multipart_uploads", Prefix=prefix, MaxUploads=self._page_size, **markers
            )
            for found in page.get("Uploads", ()):
                # nanio lists all of the bucket.
                if found["Key"].startswith(prefix):
                    yield UnfinishedParts(found["Key"], found["UploadId"], found["Initiated"])
            if not page.get("IsTruncated"):
                return
            markers = {
                "KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page["NextUploadIdMarker"],
            }
