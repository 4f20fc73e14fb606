"""Opens the jobs that a worker runs, with what they need, and closes them."""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from models import ids
from models.background import Loops
from models.jobs.due import transaction_with_jobs
from models.jobs.queue import JobQueue
from models.log.entries import Batch
from models.media.lanes import LANES
from models.postgresql.database import Database
from models.push.addresses import PushEndpointKind
from models.refusals import Refused
from models.storage.bucket import Storage
from parley.opening import make_tokens, open_storage
from parley.parts import Parts
from parley.push import open_push_providers
from parley.settings import Settings, SettingsError
from parley.work_folder import WorkFolder
from parley.worker.job_metrics import JobMetrics
from workers.jobs.runner import Jobs
from workers.media.job import MediaJob
from workers.media.releases import MediaReleases
from workers.media.rendition_sizes import RenditionSizes
from workers.media.renditions import MediaRenderer, SandboxFailed
from workers.media.sandbox.confinement import LAYERS
from workers.media.sandbox.protocol import MIB, MediaLimits
from workers.media.sweep import DAY_S, Ages, MediaSweep
from workers.push.mail_code_job import MailCodeJobs
from workers.push.providers.mail import Mail
from workers.push.providers.mail_links import MailLinks
from workers.push.providers.providers import Providers
from workers.push.registration import PushLoops, PushTies, register_push

logger = logging.getLogger("parley.media")


class WorkerJobs:
    """The runner, storage, what makes renditions, and whom pushes go through."""

    def __init__(self, jobs: Jobs, pushes: PushLoops, parts: Parts) -> None:
        self.jobs = jobs
        self._pushes = pushes
        self._parts = parts

    @classmethod
    async def open(
        cls,
        settings: Settings,
        database: Database,
        on_commit: Callable[[Batch], None],
        metrics: JobMetrics,
        loops: Loops,
        ties: PushTies,
    ) -> "WorkerJobs":
        """Register media jobs and pushes; others may be registered before `start`.

        Raises:
            SettingsError: files cannot be decoded here as the settings want.
        """
        queue_url = settings.jobs_database_url or settings.database_url
        assert queue_url is not None
        async with Parts() as parts:
            root = Path(tempfile.gettempdir())
            folder = parts.enter_context(contextlib.closing(WorkFolder(root))).path
            storage = parts.add(open_storage(settings))
            providers = parts.add(open_push_providers(settings))
            queue = parts.add(await JobQueue.open(queue_url, ids.new_id()))
            renderer = parts.add(await open_renderer(settings))
            jobs = Jobs(queue, silent_s=settings.job_silence_s, watcher=metrics, loops=loops)
            _register_media(settings, jobs, database, storage, renderer, on_commit, metrics, folder)
            pushes = _register_push(settings, jobs, database, providers, metrics, loops, ties)
            # Ended after the jobs, whose claims it keeps.
            parts.add(pushes)
            parts.add(jobs)
            return cls(jobs, pushes, parts.pop_all())

    async def start(self, database: Database) -> None:
        # Another worker, or the next start, does it where PostgreSQL is away.
        with contextlib.suppress(Refused):
            async with transaction_with_jobs(database) as (_, due):
                due.add("media_sweep", [{}], after_s=60, dedupe_keys=["media_sweep"])
        self.jobs.start()
        self._pushes.start()

    async def close(self) -> None:
        await self._parts.aclose()


def _register_push(
    settings: Settings,
    jobs: Jobs,
    database: Database,
    providers: Providers,
    metrics: JobMetrics,
    loops: Loops,
    ties: PushTies,
) -> PushLoops:
    tokens, note = make_tokens(settings), metrics.note_push
    links = MailLinks(tokens, settings.public_url) if settings.public_url else None
    pushes = register_push(
        *(jobs, database, providers, settings.limits),
        loops=loops,
        ties=ties,
        note=note,
        links=links,
    )
    mail = providers.find(PushEndpointKind.EMAIL)
    if isinstance(mail, Mail) and links is not None:
        MailCodeJobs(database, mail, tokens, links, note=note).register(jobs)
    return pushes


async def open_renderer(settings: Settings) -> MediaRenderer:
    """Open what makes renditions, and log what confines its decoders.

    Raises:
        SettingsError: this machine lacks what the settings require.
    """
    limits = MediaLimits(
        sizes=RenditionSizes(preview_format=settings.media_preview_format),
        video_s=settings.media_video_s,
        child_memory_bytes=settings.media_child_megabytes * MIB,
    )
    renderer = MediaRenderer(limits, required=settings.media_sandbox_required)
    try:
        layers = await renderer.list_layers()
    except (SandboxFailed, OSError) as error:
        if isinstance(error, SandboxFailed) and error.missing:
            await renderer.close()
            raise SettingsError(_lacks(error.missing)) from None
        # No memory or no disk, as a rule: whoever decodes a file tries again.
        logger.error("No file can be decoded now: %s.", type(error).__name__)
        return renderer
    logger.info("Files are decoded under: %s.", ", ".join(layers))
    if lacking := [layer for layer in LAYERS if layer not in layers]:
        logger.warning("Files are decoded without: %s.", ", ".join(lacking))
    return renderer


def _lacks(layers: Sequence[str]) -> str:
    return (
        "PARLEY_MEDIA_SANDBOX is 'require', and this machine does not let the decoders of files "
        f"be confined by {' and '.join(layers)}: use Linux 5.13 or later with Landlock and "
        "seccomp on x86_64 or aarch64, or set it to 'prefer' to decode files without."
    )


def _register_media(
    settings: Settings,
    jobs: Jobs,
    database: Database,
    storage: Storage,
    renderer: MediaRenderer,
    on_commit: Callable[[Batch], None],
    metrics: JobMetrics,
    folder: Path,
) -> None:
    keeps = settings.media_originals == "keep"
    rendering = MediaJob(
        database,
        storage,
        renderer,
        on_commit,
        keeps_originals=keeps,
        folder=folder,
        savings=metrics,
    )
    deletes = bool(settings.limits.media_delete_after_delivery)
    releases = MediaReleases(database, storage, on_commit, deletes_after_delivery=deletes)
    sweep = make_media_sweep(settings, database, storage, on_commit)
    for lane in LANES:
        jobs.register(
            lane,
            rendering.run,
            concurrency=settings.media_concurrency,
            most_tries=10,
            deadline_s=3600,
            on_set_aside=rendering.give_up,
            per_owner=settings.limits.media_jobs_per_user,
        )
    jobs.register("media_release", releases.release, concurrency=4, most_tries=10, deadline_s=300)
    jobs.register(
        "media_delivered", releases.delivered, concurrency=4, most_tries=10, deadline_s=300
    )
    # It comes again for ever, whatever befalls it.
    jobs.register(
        "media_sweep", sweep.run, concurrency=1, most_tries=1_000_000, deadline_s=6 * 3600
    )


def make_media_sweep(
    settings: Settings,
    database: Database,
    storage: Storage,
    on_commit: Callable[[Batch], None],
) -> MediaSweep:
    deletes = bool(settings.limits.media_delete_after_delivery)
    return MediaSweep(
        database,
        storage,
        MediaReleases(database, storage, on_commit, deletes_after_delivery=deletes),
        Ages(
            upload_s=settings.limits.upload_ttl_s,
            staging_s=settings.limits.upload_ttl_s,
            kept_s=settings.limits.media_kept_days * DAY_S if deletes else None,
        ),
        keeps_originals=settings.media_originals == "keep",
    )
