"""The media job: it renders an uploaded file, once for equal files of one owner.

It may be killed at any point and run again, or run twice at once: storage keys follow from the
upload and the rendition's name, the last step is one transaction, and telling members again changes
nothing. The sweep deletes what a killed job leaves in storage.
"""

import asyncio
import hmac
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from models.jobs.queue import TakenJob
from models.log.entries import Batch
from models.log.media_changes import tell_of_media
from models.media.headers import disposition_of, served_type
from models.media.lanes import LONG, QUICK, lane_of, queue_render
from models.media.media import MediaKind
from models.media.processing import (
    UNUSABLE,
    Content,
    MediaToRender,
    Settled,
    count_try,
    fail_media,
    find_media_to_render,
    folder_of,
    original_of,
    settle_media,
    take_back_try,
)
from models.media.renditions import Rendition, RenditionName
from models.media.sweeping import list_expected
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.storage.bucket import Storage
from workers.media.renditions import MediaRenderer, Rendered, TooSlow, Unusable

# A file at whose decoding so many workers died is given up.
MOST_TRIES = 3
LOST = "The file is not in storage."


class RenderPayload(msgspec.Struct):
    """The payload of a media job."""

    media_id: str


class Savings(Protocol):
    """A counter of the bytes that were uploaded and of those that are stored for them."""

    def note_bytes(self, kind: str, came_in: int, stored: int) -> None: ...


class MediaJob:
    """Renders uploaded files. With `keeps_originals`, the original of every file stays in storage;
    clients get only that of a FILE, since others may hold what their makers never meant to share,
    such as a place.
    """

    def __init__(
        self,
        database: Database,
        storage: Storage,
        renderer: MediaRenderer,
        on_commit: Callable[[Batch], None],
        *,
        keeps_originals: bool,
        folder: Path | None = None,
        savings: Savings | None = None,
    ) -> None:
        """Take the parts. Files are worked on in `folder`, else in the system's folder for
        temporary files.
        """
        self._database = database
        self._storage = storage
        self._renderer = renderer
        self._on_commit = on_commit
        self._keeps_originals = keeps_originals
        self._folder = folder
        self._savings = savings

    async def run(self, job: TakenJob) -> None:
        """Render the file of the job, and tell the members of channels that hold it.

        Raises:
            Refused: UNAVAILABLE while PostgreSQL or storage is away.
        """
        media_id = msgspec.json.decode(job.payload, type=RenderPayload).media_id
        media = await find_media_to_render(self._database, media_id)
        if media is None:
            return
        if media.is_to_do and media.content_id is not None:
            lane = await self._make_in(job.kind, media, media.content_id)
            if lane is not None:
                await self._move(media, lane)
        elif media.content_id is not None:
            await self._tidy(media.kind, media.content_id)
        await tell_of_media(self._database, self._on_commit, media_id)

    async def give_up(self, job: TakenJob) -> None:
        """Set the file of a job that was set aside to FAILED. Its original stays, for another
        try.
        """
        media_id = msgspec.json.decode(job.payload, type=RenderPayload).media_id
        await fail_media(self._database, media_id, UNUSABLE, set_aside=True)
        await tell_of_media(self._database, self._on_commit, media_id)

    async def _make_in(self, lane: str, media: MediaToRender, content_id: str) -> str | None:
        """Render the file in this lane. Return the lane that has to do it instead, if there is
        one.
        """
        if lane != QUICK:
            await self._make(media, content_id, quick=False)
            return None
        if (better := lane_of(media.kind, media.byte_size)) != QUICK:
            # Queued by a revision without lanes.
            return better
        try:
            await self._make(media, content_id, quick=True)
        except TooSlow:
            return LONG
        return None

    async def _move(self, media: MediaToRender, lane: str) -> None:
        """Queue the job in another lane."""
        await queue_render(self._database, media.id, media.owner_id, lane)

    async def _make(self, media: MediaToRender, content_id: str, *, quick: bool) -> None:
        """Download the file, settle it with an equal content or a rendered one, and clean up its
        folder.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            source = folder / "original"
            try:
                await self._storage.download(
                    original_of(content_id), source, most_bytes=media.byte_size
                )
            except Refused as refused:
                if refused.code is RefusalCode.UNAVAILABLE:
                    raise
                await self._fail(media, content_id, LOST)
                return
            digest = await asyncio.to_thread(_digest, media, source)
            settled = await settle_media(self._database, media.id, digest, None)
            if settled is Settled.MISSING:
                made = await self._render(media, content_id, source, folder, quick=quick)
                if made is None:
                    return
                settled = await settle_media(self._database, media.id, digest, made)
                stored = sum(each.byte_size for each in made.renditions)
                self._note(media, stored if settled is Settled.OURS else 0)
            elif settled is Settled.THEIRS:
                self._note(media, 0)
        if settled is Settled.OURS:
            await self._tidy(media.kind, content_id)
        else:
            await self._drop_folder(content_id)

    async def _render(
        self, media: MediaToRender, content_id: str, source: Path, folder: Path, *, quick: bool
    ) -> Content | None:
        """Render the file and store its renditions. Return them; None when the file cannot be used
        or is gone.

        Raises:
            TooSlow: it takes longer than a file may in the quick lane.
        """
        tries = await count_try(self._database, media.id)
        if tries == 0:
            return None
        if tries > MOST_TRIES:
            await self._fail(media, content_id, UNUSABLE)
            return None
        made_folder = folder / "made"
        made_folder.mkdir()
        try:
            rendered = await self._renderer.render(media.kind, source, made_folder, quick=quick)
        except Unusable as unusable:
            await self._fail(media, content_id, unusable.reason)
            return None
        finally:
            # Whatever came of it, the worker lives: only what kills it counts.
            await take_back_try(self._database, media.id)
        content = _content(media, content_id, rendered)
        for made, stored in zip(rendered.renditions, content.renditions, strict=False):
            await self._storage.upload(
                made_folder / made.key,
                stored.key,
                content_type=served_type(stored.content_type),
                disposition=disposition_of(stored.content_type, None),
            )
        return content

    async def _fail(self, media: MediaToRender, content_id: str, failure: str) -> None:
        """Set the media to FAILED and delete its folder."""
        await fail_media(self._database, media.id, failure)
        await self._drop_folder(content_id)

    async def _tidy(self, kind: MediaKind, content_id: str) -> None:
        """Delete an original that nobody may have."""
        if kind is not MediaKind.FILE and not self._keeps_originals:
            await self._storage.delete([original_of(content_id)])

    async def _drop_folder(self, content_id: str) -> None:
        """Delete the folder, unless a row names it: the same job may have run twice at once."""
        named = await list_expected(
            self._database, first_id=content_id, last_id=content_id, keeps=False
        )
        if not named:
            await delete_folder(self._storage, content_id)

    def _note(self, media: MediaToRender, stored: int) -> None:
        if self._savings is not None:
            self._savings.note_bytes(media.kind.name, media.byte_size, stored)


async def delete_folder(storage: Storage, content_id: str) -> None:
    """Delete all that is stored of a content which no row names."""
    keys = [key async for key, _, _ in storage.list_keys(folder_of(content_id))]
    if keys:
        await storage.delete(keys)


def _content(media: MediaToRender, content_id: str, rendered: Rendered) -> Content:
    """Return what is stored in the folder: the renditions that were made, by their keys in storage,
    and of a FILE its original.
    """
    renditions = [
        msgspec.structs.replace(made, key=f"{folder_of(content_id)}{made.key}")
        for made in rendered.renditions
    ]
    if media.kind is MediaKind.FILE:
        renditions.append(
            Rendition(
                RenditionName.ORIGINAL,
                original_of(content_id),
                rendered.content_type,
                media.byte_size,
            )
        )
    return Content(
        content_id,
        rendered.content_type,
        renditions,
        rendered.width,
        rendered.height,
        rendered.duration_ms,
        rendered.placeholder,
    )


def _digest(media: MediaToRender, path: Path) -> bytes:
    """Return the HMAC of the bytes under kind and owner, with SHA-256. Another kind makes other
    renditions of the same bytes, and nobody may learn from the timing or the place whether another
    owner has the same file.
    """
    key = bytes([media.kind.value]) + bytes.fromhex(media.owner_id)
    digest = hmac.new(key, digestmod="sha256")
    with path.open("rb") as file:
        for chunk in _chunks(file.read):
            digest.update(chunk)
    return digest.digest()


def _chunks(read: Callable[[int], bytes]) -> Iterable[bytes]:
    return iter(lambda: read(1024 * 1024), b"")
