"""Media for tests: uploaded files as `completeUpload` leaves them, and messages that hold them."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from PIL import Image

from models import ids
from models.jobs.queue import TakenJob
from models.log.committer import Committer
from models.log.drafts import Draft
from models.log.entries import Batch
from models.media.lanes import lane_of, queue_render
from models.media.media import Media, MediaKind, MediaState, list_media
from models.media.processing import folder_of, original_of
from models.messages.messages import MessageKind
from models.postgresql.database import Database
from models.storage.bucket import Storage
from tests.make import Person
from workers.media.job import MediaJob
from workers.media.renditions import MediaRenderer


def picture(number: int = 0, size: tuple[int, int] = (640, 480)) -> bytes:
    """Return a JPEG; another number is another picture."""
    file = io.BytesIO()
    Image.new("RGB", size, (40 * number % 256, number % 256, 90)).save(file, "JPEG")
    return file.getvalue()


class Files:
    """Uploads of one owner; `database` and `storage` hold them."""

    def __init__(
        self, database: Database, storage: Storage, renderer: MediaRenderer, folder: Path
    ) -> None:
        self.database = database
        self.storage = storage
        self._renderer = renderer
        self.owner_id = ids.new_id()
        self._folder = folder

    async def add(
        self,
        content: bytes,
        *,
        kind: MediaKind = MediaKind.IMAGE,
        queued: bool = False,
        owner_id: str | None = None,
    ) -> str:
        """Add an upload that was just completed. Return its id. `queued`: with its job."""
        media_id, content_id = ids.new_id(), ids.new_id()
        path = self._folder / media_id
        path.write_bytes(content)
        await self.storage.upload(path, original_of(content_id), content_type="image/jpeg")
        async with self.database.transaction() as connection:
            await connection.execute(
                """
                INSERT INTO media (id, owner_id, kind, state, file_name, content_type, byte_size,
                                   created_at, completed_at, content_id)
                VALUES ($1, $2, $3, 2, 'a name', 'image/jpeg', $4, now(), now(), $5)
                """,
                media_id,
                owner_id or self.owner_id,
                kind.value,
                len(content),
                content_id,
            )
        if queued:
            lane = lane_of(kind, len(content))
            await queue_render(self.database, media_id, owner_id or self.owner_id, lane)
        return media_id

    async def add_ready(self, number: int = 0, **more: str) -> str:
        media_id = await self.add(picture(number), **more)  # type: ignore[arg-type]
        await render(self.job(), media_id)
        return media_id

    def job(
        self,
        batches: list[Batch] | None = None,
        *,
        keeps_originals: bool = False,
        renderer: MediaRenderer | None = None,
    ) -> MediaJob:
        """Return the job in this process; `batches` are what it appended to logs."""
        told = [] if batches is None else batches
        return MediaJob(
            self.database,
            self.storage,
            renderer or self._renderer,
            told.append,
            keeps_originals=keeps_originals,
        )

    async def get(self, media_id: str) -> Media:
        return (await list_media(self.database, [media_id]))[media_id]

    async def content_id(self, media_id: str) -> str:
        content_id: str = await self.database.fetchval(
            "SELECT content_id FROM media WHERE id = $1", media_id
        )
        return content_id

    async def state(self, media_id: str) -> MediaState:
        return (await self.get(media_id)).state

    async def keys(self, prefix: str = "media/") -> list[str]:
        return sorted([key async for key, _, _ in self.storage.list_keys(prefix)])

    async def keys_of(self, content_id: str) -> list[str]:
        """Names within a folder."""
        folder = folder_of(content_id)
        return [key.removeprefix(folder) for key in await self.keys(folder)]

    async def use(
        self, media_id: str, kind: int, holder_id: str, user_id: str, client_message_id: str = ""
    ) -> None:
        await self.database.execute(
            "INSERT INTO media_uses VALUES ($1, $2, $3, $4, $5, now())",
            media_id,
            kind,
            holder_id,
            user_id,
            client_message_id,
        )
        await self.database.execute("UPDATE media SET used_at = now() WHERE id = $1", media_id)

    async def send(
        self, committer: Committer, sender: Person, channel_id: str, *media_ids: str
    ) -> int:
        """A message with these media; its seq. `channel_id` is the global one."""
        inner_id = ids.parse_plain("chn", channel_id)
        assert inner_id is not None
        client_message_id = ids.new_id()
        for media_id in media_ids:
            await self.use(media_id, 1, inner_id, sender.user.id, client_message_id)
        draft = Draft(
            inner_id,
            sender.user,
            client_message_id,
            MessageKind.IMAGE,
            datetime.now(UTC),
            media_ids=list(media_ids),
        )
        sent = await committer.send(draft)
        return sent.seq


def taken(**payload: object) -> TakenJob:
    return TakenJob(1, "a test's", msgspec.json.encode(payload), 1)


async def render(job: MediaJob, media_id: str) -> None:
    await job.run(taken(media_id=media_id))


@asynccontextmanager
async def files_in(
    database: Database, storage: Storage, renderer: MediaRenderer, folder: Path
) -> AsyncIterator[Files]:
    """With an empty queue, and nothing in storage."""
    files = Files(database, storage, renderer, folder)
    await database.execute("DELETE FROM jobs")
    await storage.delete([*await files.keys(), *await files.keys("staging/")])
    yield files
