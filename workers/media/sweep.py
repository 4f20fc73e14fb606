"""The sweep of media: it deletes uploads that were not finished, files that nothing holds, and
objects in storage that no row names. The check compares rows and storage without deleting.

It is a job that comes again for ever, an hour after it ended, and of all workers one runs it. A
killed job leaves objects that no row names; they are deleted once they are an hour old.
"""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec

from models.jobs.queue import TakenJob
from models.media.releases import delete_unused
from models.media.sweeping import (
    Expected,
    delete_unfinished,
    list_expected,
    list_kept_too_long,
    list_never_used,
    list_unfinished,
    list_uses_to_check,
)
from models.postgresql.database import Database
from models.storage.bucket import Storage
from workers.jobs.runner import RetryLater
from workers.media.job import delete_folder
from workers.media.releases import MediaReleases

logger = logging.getLogger("parley.media")

DAY_S = 86_400.0
STAGING = "staging/"
AT_ONCE = 200
# A folder's objects are compared in so many portions, by the first two characters of their names.
PORTIONS = tuple(f"{number:02x}" for number in range(256))


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """The ages from which things are swept, in seconds."""

    upload_s: float
    staging_s: float = DAY_S
    never_used_s: float = 7 * DAY_S
    use_s: float = DAY_S
    # Uses are looked at once they have that age, by each sweep of so long.
    use_window_s: float = 0.5 * DAY_S
    object_s: float = 3600.0
    # None: for ever.
    kept_s: float | None = None
    again_s: float = 3600.0


class Swept(msgspec.Struct):
    """The numbers of what a sweep deleted."""

    unfinished: int = 0
    never_used: int = 0
    expired: int = 0
    objects: int = 0


class Findings(msgspec.Struct):
    """Where storage and rows disagree: keys that no row names, and keys that rows name but storage
    lacks.
    """

    unnamed: list[str] = []
    missing: list[str] = []


class MediaSweep:
    """Sweeps rows and storage of media, and compares them."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        releases: MediaReleases,
        ages: Ages,
        *,
        keeps_originals: bool,
    ) -> None:
        self._database = database
        self._storage = storage
        self._releases = releases
        self._ages = ages
        self._keeps_originals = keeps_originals

    async def run(self, job: TakenJob) -> None:
        """Sweep once, and come again later.

        Raises:
            RetryLater: always.
            Refused: UNAVAILABLE while PostgreSQL or storage is away.
        """
        swept = await self.sweep()
        logger.info("Swept media", extra=msgspec.structs.asdict(swept))
        raise RetryLater(self._ages.again_s, "It comes again for ever.")

    async def sweep(self) -> Swept:
        """Sweep everything once. Return how much was deleted."""
        swept = Swept()
        await self._sweep_unfinished(swept)
        await self._sweep_unused(swept)
        await self._sweep_old(swept)
        await self._sweep_staging(swept)
        async for findings in self.compare(older_than_s=self._ages.object_s):
            await self._storage.delete(findings.unnamed)
            swept.objects += len(findings.unnamed)
        return swept

    # ---------------------------------------------------------------- rows

    async def _sweep_unfinished(self, swept: Swept) -> None:
        """Delete the rows of unfinished uploads. What has arrived of them goes with the staged
        objects.
        """
        while found := await list_unfinished(
            self._database, older_than_s=self._ages.upload_s, most=AT_ONCE
        ):
            await delete_unfinished(self._database, [each.media_id for each in found])
            swept.unfinished += len(found)

    async def _sweep_unused(self, swept: Swept) -> None:
        more = True
        while more:
            found = await list_never_used(
                self._database, older_than_s=self._ages.never_used_s, most=AT_ONCE
            )
            deleted = [await self._delete_unused(media_id) for media_id in found]
            swept.never_used += sum(deleted)
            more = any(deleted)
        to_check = await list_uses_to_check(
            self._database, older_than_s=self._ages.use_s, window_s=self._ages.use_window_s
        )
        for media_id in to_check:
            await self._releases.release_one(media_id)

    async def _delete_unused(self, media_id: str) -> bool:
        deleted, content_id = await delete_unused(self._database, media_id, was_used=False)
        if content_id is not None:
            await delete_folder(self._storage, content_id)
        return deleted

    async def _sweep_old(self, swept: Swept) -> None:
        if self._ages.kept_s is None:
            return
        more = True
        while more:
            found = await list_kept_too_long(
                self._database, older_than_s=self._ages.kept_s, most=AT_ONCE
            )
            expired = [await self._releases.expire(media_id) for media_id in found]
            swept.expired += sum(expired)
            more = any(expired)

    # ---------------------------------------------------------------- storage

    async def _sweep_staging(self, swept: Swept) -> None:
        before = datetime.now(UTC) - timedelta(seconds=self._ages.staging_s)
        old: list[str] = []
        async for key, changed_at, _ in self._storage.list_keys(STAGING):
            if changed_at < before:
                old.append(key)
        await self._storage.delete(old)
        swept.objects += len(old)
        unfinished = [
            parts
            async for parts in self._storage.parts.list_unfinished(STAGING)
            if parts.begun_at < before
        ]
        for parts in unfinished:
            await self._storage.parts.abort(parts.key, parts.parts_id)

    async def compare(self, *, older_than_s: float) -> AsyncIterator[Findings]:
        """Yield, portion by portion, where rows and objects of that age disagree. An object that
        came after the rows were read is not missing, so missing ones are looked up once more.
        """
        before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        for portion in PORTIONS:
            stored = {
                key: changed_at
                async for key, changed_at, _ in self._storage.list_keys(f"media/{portion}")
            }
            first_id, last_id = portion.ljust(32, "0"), portion.ljust(32, "f")
            folders = await list_expected(
                self._database, first_id=first_id, last_id=last_id, keeps=self._keeps_originals
            )
            unnamed = [
                key for key, at in stored.items() if at < before and not _is_named(key, folders)
            ]
            must = {key for folder in folders.values() for key in folder.must}
            missing = [key for key in sorted(must - stored.keys()) if not await self._has(key)]
            yield Findings(unnamed, missing)

    async def _has(self, key: str) -> bool:
        return await self._storage.find(key) is not None


def _is_named(key: str, folders: "dict[str, Expected]") -> bool:
    folder = folders.get(key.split("/")[1])
    return folder is not None and (folder.is_worked_on or key in folder.must or key in folder.may)
