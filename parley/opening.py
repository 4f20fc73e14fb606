"""Opens single collaborators as the settings say: storage, tokens, SMS, addresses of media."""

import logging

from models.devices.sms import DevelopmentSmsSender, SmsSender, SnsSmsSender
from models.jobs.checking import is_there
from models.media.urls import (
    CloudFrontAddresses,
    MediaUrls,
    PlainAddresses,
    StorageAddresses,
    read_private_key,
)
from models.postgresql.database import Database, DatabaseClosed, wait_for_database
from models.storage.bucket import Storage
from models.tokens import Tokens
from parley.parts import Parts
from parley.revisions import newest_revision
from parley.settings import Settings, SettingsError

logger = logging.getLogger("parley.database")


def make_sms_sender(settings: Settings) -> SmsSender:
    if settings.development:
        return DevelopmentSmsSender()
    return SnsSmsSender.open(region=settings.aws_region)


def make_tokens(settings: Settings) -> Tokens:
    return Tokens(settings.secret, settings.limits, previous_secret=settings.secret_previous)


def open_storage(settings: Settings) -> Storage:
    return Storage.open(
        endpoint_url=settings.s3_endpoint_url,
        public_url=settings.s3_public_endpoint_url,
        bucket=settings.s3_bucket,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key,
        session_token=settings.aws_session_token,
    )


def make_media_urls(settings: Settings, storage: Storage) -> MediaUrls:
    """Make the addresses of media, as the settings say.

    Raises:
        SettingsError: CloudFront's key is none.
    """
    addresses: StorageAddresses | PlainAddresses
    if settings.media_base_url is None:
        addresses = StorageAddresses(storage.signer)
    elif settings.cloudfront_key_id is None or settings.cloudfront_private_key is None:
        addresses = PlainAddresses(settings.media_base_url)
    else:
        try:
            private_key = read_private_key(settings.cloudfront_private_key.encode())
        except ValueError:
            raise SettingsError(
                "PARLEY_CLOUDFRONT_PRIVATE_KEY must be an RSA or P-256 key in PEM, not encrypted."
            ) from None
        addresses = CloudFrontAddresses(
            settings.media_base_url, settings.cloudfront_key_id, private_key
        )
    return MediaUrls(addresses, ttl_s=settings.media_url_ttl_s)


async def require_database(settings: Settings) -> None:
    """Wait until PostgreSQL is there.

    Raises:
        SettingsError: it does not let us in, and will not.
    """
    assert settings.database_url is not None
    try:
        await wait_for_database(settings.database_url)
    except DatabaseClosed as error:
        raise SettingsError(f"DATABASE_URL cannot be used. {error}") from None
    if settings.jobs_database_url is not None:
        await _look_at_jobs_database(settings.jobs_database_url)


async def _look_at_jobs_database(url: str) -> None:
    """Check the database of the queue, unless it is away.

    Raises:
        SettingsError: it does not let us in, or is not migrated.
    """
    try:
        if not await is_there(url, revision=newest_revision()):
            logger.warning("The database of JOBS_DATABASE_URL is away; jobs wait until it is back.")
    except DatabaseClosed as error:
        raise SettingsError(f"JOBS_DATABASE_URL cannot be used. {error}") from None


async def open_database(settings: Settings, parts: Parts, *, connections: int) -> Database:
    """Open the database, and the one that has the queue of jobs, where that is another. The latter
    may be away.

    Raises:
        CONNECTION_ERRORS: PostgreSQL is away.
    """
    assert settings.database_url is not None
    limits = settings.limits
    database = parts.add(
        await Database.open(
            settings.database_url,
            connections=connections,
            statement_timeout_s=limits.statement_timeout_s,
            connection_wait_s=limits.connection_wait_s,
        )
    )
    database.queue_wait_s = limits.job_queue_wait_s
    if settings.jobs_database_url is not None:
        database.jobs = parts.add(
            await Database.open_later(
                settings.jobs_database_url,
                connections=connections,
                statement_timeout_s=limits.statement_timeout_s,
                connection_wait_s=limits.connection_wait_s,
            )
        )
    return database
