"""Media jobs at the end of a file's life: when what held it is gone, and when everybody has stored
it.
"""

from collections.abc import Callable

import msgspec

from models.jobs.queue import TakenJob
from models.log.entries import Batch
from models.log.media_changes import tell_of_media
from models.media.releases import PATIENCE_S, expire_media, is_delivered, release_media
from models.postgresql.database import Database
from models.storage.bucket import Storage
from workers.jobs.runner import RetryLater
from workers.media.job import delete_folder


class MediaIdsPayload(msgspec.Struct):
    """The payload of jobs about several media."""

    media_ids: list[str]


class MediaReleases:
    """Deletes media that nothing holds any more, and expires media that was delivered."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        on_commit: Callable[[Batch], None],
        *,
        deletes_after_delivery: bool,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Take the parts. `patience_s` is the time after a use in which its message or picture may
        still come.
        """
        self._database = database
        self._storage = storage
        self._on_commit = on_commit
        self._deletes_after_delivery = deletes_after_delivery
        self._patience_s = patience_s

    async def release(self, job: TakenJob) -> None:
        """Release media of a message that was deleted, or of a picture that was replaced.

        Raises:
            RetryLater: a message or picture that holds them may still come.
        """
        again_in_s: float | None = None
        for media_id in _media_ids(job):
            found = await self.release_one(media_id)
            if found is not None:
                again_in_s = max(found, again_in_s or 0)
        if again_in_s is not None:
            raise RetryLater(again_in_s, "A message or picture may still come that holds a file.")

    async def release_one(self, media_id: str) -> float | None:
        """Release one media. Return the seconds after which to look again; None when that is not
        needed.
        """
        release = await release_media(self._database, media_id, patience_s=self._patience_s)
        if release.content_id is not None:
            await delete_folder(self._storage, release.content_id)
        return release.again_in_s

    async def delivered(self, job: TakenJob) -> None:
        """Expire those of the media that every recipient has stored, if this server deletes them
        then.
        """
        if not self._deletes_after_delivery:
            return
        for media_id in _media_ids(job):
            if await is_delivered(self._database, media_id, patience_s=self._patience_s):
                await self.expire(media_id)

    async def expire(self, media_id: str) -> bool:
        """Delete the files of the media, keep its row, and tell the members. Return whether it is
        EXPIRED now. When killed in between, running it again tells them.
        """
        expired, content_id = await expire_media(self._database, media_id)
        if expired:
            await tell_of_media(self._database, self._on_commit, media_id)
        if content_id is not None:
            await delete_folder(self._storage, content_id)
        return expired


def _media_ids(job: TakenJob) -> list[str]:
    return msgspec.json.decode(job.payload, type=MediaIdsPayload).media_ids
