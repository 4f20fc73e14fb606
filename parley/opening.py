"""Opens single collaborators as the settings say: storage, tokens, SMS, addresses of media."""

from models.devices.sms import DevelopmentSmsSender, SmsSender, SnsSmsSender
from models.media.urls import (
    CloudFrontAddresses,
    MediaUrls,
    PlainAddresses,
    StorageAddresses,
    read_private_key,
)
from models.postgresql.database import DatabaseClosed, wait_for_database
from models.storage.bucket import Storage
from models.tokens import Tokens
from parley.settings import Settings, SettingsError


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
