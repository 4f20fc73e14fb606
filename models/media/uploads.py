"""Uploads: from the announcement of a file until its job to render it is queued.

- The bytes go straight to storage, under a staging key that nobody can read (`staging/…`), by
  requests that are good for one size, one type and a few minutes.
- Completing copies them to a random name, where they stay: using a signed request afterwards
  changes nothing. When two processes complete at once, the slower copy is deleted.
- Only the owner can do any of this. For everybody else the upload does not exist.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

import msgspec

from models import ids
from models.limits.budgets import Charge
from models.limits.limits import Limits
from models.media.headers import UNKNOWN_TYPE, disposition_of
from models.media.media import Media, MediaState
from models.media.processing import original_of
from models.media.upload_drafts import PART_BYTES, UploadDraft, require_draft
from models.media.upload_rows import (
    Upload,
    charges_of,
    find_own_upload,
    insert_upload,
    reject_upload,
    require_budget,
    take_over,
)
from models.media.upload_tickets import UploadTicket, sign_ticket, whole_parts
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused, not_found, unavailable
from models.storage.bucket import Storage
from models.storage.parts import ArrivedPart

# For so long storage counts as being there after it was asked.
STORAGE_CACHE_S = 5.0
# Of a long list of parts that are missing, so many are named.
NAMED_PARTS = 20
WRONG_SIZE = "The file is not as large as was said."


class Uploads:
    """The uploads of one process. Completing goes on after the client that asked has gone."""

    def __init__(self, database: Database, storage: Storage, limits: Limits) -> None:
        self._database = database
        self._storage = storage
        self._limits = limits
        # Less than a request may take, so that there is an answer.
        self._patience_s = limits.request_deadline_s * 0.8
        self._storage_seen_at: float | None = None
        self._completing: dict[str, asyncio.Task[Media]] = {}

    async def close(self) -> None:
        """Cancel what is being completed. A repeated call of `completeUpload` does it later."""
        tasks = list(self._completing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---------------------------------------------------------------- tickets

    async def create(self, owner_id: str, draft: UploadDraft) -> UploadTicket:
        """Announce a file, and return how to bring it to storage.

        Raises:
            Refused: INVALID_INPUT, TOO_LARGE, RATE_LIMITED; UNAVAILABLE while storage is away.
        """
        draft = require_draft(draft, self._limits)
        await self._require_storage()
        now, media_id = datetime.now(UTC), ids.new_id()
        charges = charges_of(owner_id, draft.byte_size, self._limits)
        # Before anything is begun in storage, which an owner over the budget must not fill.
        await require_budget(self._database, charges, now=now)
        media = Media(
            media_id,
            owner_id,
            draft.kind,
            MediaState.AWAITING_UPLOAD,
            draft.file_name,
            draft.content_type,
            draft.byte_size,
        )
        upload = Upload(media)
        if draft.byte_size > PART_BYTES:
            parts_id = await self._storage.parts.begin(upload.key, content_type=UNKNOWN_TYPE)
            upload = msgspec.structs.replace(upload, parts_id=parts_id)
        await self._insert(upload, charges, now)
        return sign_ticket(self._storage, upload, (), now, self._limits.upload_url_ttl_s)

    async def _insert(self, upload: Upload, charges: list[Charge], now: datetime) -> None:
        """Insert the upload; where it is refused, abort its parts in storage."""
        try:
            await insert_upload(self._database, upload, charges, now=now)
        except Refused:
            if upload.parts_id is not None:
                with contextlib.suppress(Refused):
                    await self._storage.parts.abort(upload.key, upload.parts_id)
            raise

    async def find_ticket(self, owner_id: str, media_id: str) -> UploadTicket | None:
        """Return what has arrived of an upload, with requests for all of it; None for what is not
        the owner's.

        Raises:
            Refused: UNAVAILABLE while storage is away.
        """
        upload = await find_own_upload(self._database, owner_id, media_id)
        if upload is None:
            return None
        now = datetime.now(UTC)
        if upload.media.state is not MediaState.AWAITING_UPLOAD:
            return UploadTicket(upload.media, [], now)
        arrived = await self._list_arrived(upload)
        return sign_ticket(self._storage, upload, arrived, now, self._limits.upload_url_ttl_s)

    async def _list_arrived(self, upload: Upload) -> Collection[int]:
        """Return the numbers of the parts that have arrived whole."""
        if upload.parts_id is not None:
            with contextlib.suppress(_Missing):
                return whole_parts(upload, await self._list_parts(upload, upload.parts_id))
        # In one piece, or joined already.
        stored = await self._storage.find(upload.key)
        arrived = stored is not None and stored.byte_size == upload.media.byte_size
        return upload.sizes if arrived else ()

    async def _require_storage(self) -> None:
        """Refuse while storage is away: signing does not contact storage, and a client should hear
        of it at once.
        """
        now = asyncio.get_running_loop().time()
        if self._storage_seen_at is not None and now - self._storage_seen_at < STORAGE_CACHE_S:
            return
        self._storage_seen_at = None
        if not await self._storage.ready():
            raise unavailable()
        self._storage_seen_at = now

    # ---------------------------------------------------------------- completing

    async def complete(self, owner_id: str, media_id: str) -> Media:
        """Check what arrived and queue its job. Return the media. Calling again is safe, and needed
        for a large file that is still being moved.

        Raises:
            Refused: NOT_FOUND; MEDIA_NOT_READY while some of it is missing; MEDIA_REJECTED when it
                is not what was said; UNAVAILABLE, also while it goes on.
        """
        upload = await find_own_upload(self._database, owner_id, media_id)
        if upload is None:
            raise not_found("There is no such upload.", "mediaId")
        if upload.media.state is not MediaState.AWAITING_UPLOAD:
            return _completed(upload)
        task = self._completing.get(media_id)
        if task is None:
            task = self._completing[media_id] = asyncio.create_task(self._complete(upload))
            task.add_done_callback(lambda done: self._forget(media_id, done))
        await asyncio.wait({task}, timeout=self._patience_s)
        if not task.done() or task.cancelled():
            raise unavailable("The file is still being moved; ask again.")
        return task.result()

    def _forget(self, media_id: str, task: asyncio.Task[Media]) -> None:
        del self._completing[media_id]
        if not task.cancelled():
            # Looked at, so that asyncio does not print what nobody waited for.
            task.exception()

    async def _complete(self, upload: Upload) -> Media:
        """Move the file to its folder and take it over, unless another process did so first."""
        try:
            content_id = await self._copy(upload)
        except _Missing as missing:
            # Unless somebody else was faster.
            return await self._look_again(upload, _not_ready(missing.reason))
        media = await take_over(self._database, upload.media.id, content_id)
        if media is None:
            with contextlib.suppress(Refused):
                await self._storage.delete([original_of(content_id)])
            return await self._look_again(upload, unavailable())
        with contextlib.suppress(Refused):
            await self._storage.delete([upload.key])
        return media

    async def _look_again(self, upload: Upload, otherwise: Refused) -> Media:
        """Return the media when another process has completed it, else raise `otherwise`."""
        owner_id, media_id = upload.media.owner_id, upload.media.id
        found = await find_own_upload(self._database, owner_id, media_id)
        if found is None or found.media.state is MediaState.AWAITING_UPLOAD:
            raise otherwise
        return _completed(found)

    async def _copy(self, upload: Upload) -> str:
        """Copy the file to a new folder, and return the random name of that folder."""
        if upload.parts_id is not None:
            await self._join_parts(upload, upload.parts_id)
        stored = await self._storage.find(upload.key)
        if stored is None:
            raise _Missing("The file has not arrived.")
        if stored.byte_size != upload.media.byte_size:
            raise await self._reject(upload)
        content_id = ids.new_id()
        with _missing_where("The file is changing; ask again."):
            await self._storage.copy(
                upload.key,
                original_of(content_id),
                content_type=UNKNOWN_TYPE,
                disposition=disposition_of(UNKNOWN_TYPE, None),
                if_etag=stored.etag,
            )
        return content_id

    async def _join_parts(self, upload: Upload, parts_id: str) -> None:
        """Make one object of the parts, unless that was done by an earlier try."""
        try:
            found = await self._list_parts(upload, parts_id)
        except _Missing:
            return  # Joined already, by a try that came no further.
        whole = whole_parts(upload, found)
        missing = [number for number in upload.sizes if number not in whole]
        if missing:
            named = ", ".join(str(number) for number in missing[:NAMED_PARTS])
            more = " and more" if len(missing) > NAMED_PARTS else ""
            raise _Missing(f"Parts have not arrived: {named}{more}.")
        with _missing_where("A part is changing; ask again."):
            await self._storage.parts.finish(upload.key, parts_id, whole)

    async def _list_parts(self, upload: Upload, parts_id: str) -> dict[int, ArrivedPart]:
        with _missing_where("The parts are not there."):
            return await self._storage.parts.list_arrived(upload.key, parts_id)

    async def _reject(self, upload: Upload) -> Refused:
        """Set the upload to FAILED and delete its bytes. Return the refusal to raise."""
        await reject_upload(self._database, upload.media.id, WRONG_SIZE)
        with contextlib.suppress(Refused):
            await self._storage.delete([upload.key])
        return _rejected(WRONG_SIZE)


class _Missing(Exception):
    """Something is not in storage, or has changed a moment ago."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def _missing_where(reason: str) -> Iterator[None]:
    """Raise `_Missing` where storage says that something is not there, or has changed."""
    try:
        yield
    except Refused as refused:
        if refused.code in (RefusalCode.NOT_FOUND, RefusalCode.CONFLICT):
            raise _Missing(reason) from None
        raise


def _completed(upload: Upload) -> Media:
    """Return the media, unless the file never was what was announced.

    Raises:
        Refused: MEDIA_REJECTED.
    """
    media = upload.media
    if media.state is MediaState.FAILED and upload.completed_at is None:
        raise _rejected(media.failure or WRONG_SIZE)
    return media


def _not_ready(reason: str) -> Refused:
    return Refused(RefusalCode.MEDIA_NOT_READY, reason, field="mediaId")


def _rejected(reason: str) -> Refused:
    return Refused(RefusalCode.MEDIA_REJECTED, reason, field="mediaId")
