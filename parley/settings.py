"""The process's settings, read from the environment once, here and nowhere else.

A setting that is missing or wrong raises `SettingsError` with one sentence that names it.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from models.limits import Budget, Limits
from parley.provider_variables import read_providers
from parley.variables import (
    SettingsError,
    read_networks,
    read_public_url,
    read_switch,
    read_url,
    read_words,
)
from workers.push.providers.settings import ProviderSettings

__all__ = [
    "DEVELOPMENT_LIMITS",
    "LOOPBACK_HOSTS",
    "Settings",
    "SettingsError",
    "read_environment",
    "read_settings",
    "require_services",
]

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
Environment = Literal["development", "production"]
Originals = Literal["files", "keep"]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What operators set; see the table in docs/settings.md. `None` for a service's address means:
    embedded.
    """

    environment: Environment = "production"
    host: str = "127.0.0.1"
    port: int = 8000
    # One API process's own port; 0 lets the kernel choose. Balancers of other machines use it where
    # it listens on another address than loopback.
    own_port: int = 0
    own_host: str = "127.0.0.1"
    # After the order to stop, /readyz says no for so long before the ports close.
    drain_s: float = 3.0
    # The first API process's. Further ones have the next ports, and the worker the one after those.
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    # Whether browsers get GraphiQL at /graphql.
    explorer: bool = False
    trusted_proxies: tuple[str, ...] = ()
    # Browser origins besides the server's own that may open sockets and read answers.
    allowed_origins: tuple[str, ...] = ()
    data_dir: Path = Path(".parley")
    api_processes: int = 1
    database_url: str | None = None
    redis_url: str | None = None
    s3_endpoint_url: str | None = None
    s3_bucket: str = "parley"
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    aws_region: str = "us-east-1"
    # Where clients reach the endpoint, when elsewhere: signatures cover the host.
    s3_public_endpoint_url: str | None = None
    # Addresses of media hold between half of this and all of it.
    media_url_ttl_s: int = 3600
    # A CDN in front of the bucket; its addresses are signed where CloudFront's key is set.
    media_base_url: str | None = None
    cloudfront_key_id: str | None = None
    # PEM
    cloudfront_private_key: str | None = field(default=None, repr=False)
    # Signs tokens and hashes codes; at least 32 characters. `dev` makes one and keeps it in the
    # data directory.
    secret: str = field(default="", repr=False)
    # What was signed and hashed with this one is still taken; nothing new is made with it.
    secret_previous: str | None = field(default=None, repr=False)
    # Where clients and mail programs reach this server: the links in mails begin so.
    public_url: str | None = None
    # Connections of one API process to PostgreSQL, besides the committer's and that of /readyz.
    database_connections: int = 8
    # Who is pushed through; see parley/push.py.
    providers: ProviderSettings = ProviderSettings()
    # Whose original is kept in storage: "files" those of kind FILE only, "keep" all.
    media_originals: Originals = "files"
    # Files that one worker decodes at the same time in each of its lanes.
    media_concurrency: int = 1
    # Whether no file is decoded where the kernel lacks what a decoder must be confined by.
    media_sandbox_required: bool = True
    # What a picture's PREVIEW is: JPEG or WEBP.
    media_preview_format: str = "JPEG"
    # The longest video that is taken, in seconds.
    media_video_s: float = 900.0
    # What one file may take of memory while it is looked at, besides the program itself.
    media_child_megabytes: int = 512
    # A worker that is silent for so long has lost its jobs to others.
    job_silence_s: float = 5.0
    limits: Limits = Limits()

    @property
    def development(self) -> bool:
        return self.environment == "development"


# A developer signs in thousands of test people from one address within a day, and has them do all
# that a bench can. The token buckets are on, and fill a thousand times as fast.
DEVELOPMENT_LIMITS = Limits(
    code_interval_s=0,
    codes_side_by_side=1000,
    codes_per_number_and_address=Budget(amount=10_000, window_s=3600),
    codes_per_number=Budget(amount=10_000, window_s=3600),
    codes_per_number_daily=Budget(amount=100_000, window_s=24 * 3600),
    codes_per_prefix=Budget(amount=100_000, window_s=3600),
    codes_per_address=Budget(amount=100_000, window_s=3600),
    codes_per_network=Budget(amount=100_000, window_s=3600),
    codes_per_country=Budget(amount=1_000_000, window_s=60),
    codes_overall=Budget(amount=1_000_000, window_s=60),
    sign_ins_per_address=Budget(amount=100_000, window_s=3600),
    contact_numbers_per_address=Budget(amount=10_000_000, window_s=3600),
    contact_numbers_overall=Budget(amount=100_000_000, window_s=3600),
    connections_per_user=100_000,
    connections_per_address=1_000_000,
    signed_out_connections_per_address=100_000,
    sends_per_user=Budget(amount=1_000_000, window_s=60),
    message_changes_per_user=Budget(amount=1_000_000, window_s=60),
    reactions_per_user=Budget(amount=1_000_000, window_s=60),
    typing_per_user=Budget(amount=1_000_000, window_s=60),
    acknowledgements_per_user=Budget(amount=100_000_000, window_s=60),
    chats_opened_per_user=Budget(amount=1_000_000, window_s=60),
    groups_created_per_user=Budget(amount=1_000_000, window_s=60),
    groups_joined_per_user=Budget(amount=1_000_000, window_s=60),
    members_added_per_user=Budget(amount=10_000_000, window_s=60),
    group_changes_per_user=Budget(amount=1_000_000, window_s=60),
    setting_changes_per_user=Budget(amount=1_000_000, window_s=60),
    upload_steps_per_user=Budget(amount=1_000_000, window_s=60),
    searches_per_user=Budget(amount=1_000_000, window_s=60),
    streams_per_user=Budget(amount=1_000_000, window_s=60),
    read_cost_per_user=Budget(amount=1_000_000_000, window_s=60),
    read_cost_per_address=Budget(amount=1_000_000_000, window_s=60),
    frames_per_user=Budget(amount=100_000_000, window_s=60),
    frames_per_address=Budget(amount=100_000_000, window_s=60),
    body_kilobytes_per_address=Budget(amount=1_000_000_000, window_s=60),
    sign_in_steps_per_address=Budget(amount=10_000_000, window_s=60),
    followed_document_bytes=1024 * 1024 * 1024,
    new_documents_per_user=Budget(amount=1_000_000, window_s=60),
    new_documents_per_address=Budget(amount=1_000_000, window_s=60),
)


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read every `PARLEY_*` and service variable.

    Raises:
        SettingsError: a value cannot be used.
    """
    env = os.environ if environ is None else environ
    environment = env.get("PARLEY_ENV") or "production"
    if environment not in ("development", "production"):
        raise SettingsError("PARLEY_ENV must be 'development' or 'production'.")
    development = environment == "development"
    return Settings(
        environment="development" if development else "production",
        host=_host(env, "PARLEY_HOST", development=development),
        port=_number(env, "PARLEY_PORT", 8000, least=0, most=65535),
        own_port=_number(env, "PARLEY_OWN_PORT", 0, least=0, most=65535),
        own_host=_host(env, "PARLEY_OWN_HOST", development=development),
        drain_s=_number(env, "PARLEY_DRAIN_S", 0.0 if development else 3.0, least=0, most=3600),
        metrics_port=_number(env, "PARLEY_METRICS_PORT", 0, least=0, most=65535) or None,
        metrics_host=env.get("PARLEY_METRICS_HOST") or "127.0.0.1",
        explorer=read_switch(env, "PARLEY_EXPLORER", default=development),
        trusted_proxies=read_networks(env, "PARLEY_TRUSTED_PROXIES"),
        allowed_origins=read_words(env, "PARLEY_ALLOWED_ORIGINS"),
        data_dir=Path(env.get("PARLEY_DATA_DIR") or ".parley").absolute(),
        api_processes=_number(env, "PARLEY_API_PROCESSES", 1, least=1, most=256),
        database_url=read_url(env, "DATABASE_URL", ("postgresql://", "postgres://")),
        redis_url=read_url(env, "REDIS_URL", ("redis://", "rediss://", "unix://")),
        s3_endpoint_url=read_url(env, "S3_ENDPOINT_URL", ("http://", "https://")),
        s3_bucket=env.get("S3_BUCKET") or "parley",
        aws_access_key_id=env.get("AWS_ACCESS_KEY_ID") or None,
        aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY") or None,
        aws_session_token=env.get("AWS_SESSION_TOKEN") or None,
        aws_region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
        s3_public_endpoint_url=read_url(env, "S3_PUBLIC_ENDPOINT_URL", ("http://", "https://")),
        media_url_ttl_s=_number(env, "PARLEY_MEDIA_URL_TTL_S", 3600, least=60, most=7 * 86_400),
        media_base_url=read_url(env, "PARLEY_MEDIA_BASE_URL", ("http://", "https://")),
        cloudfront_key_id=env.get("PARLEY_CLOUDFRONT_KEY_ID") or None,
        cloudfront_private_key=_cloudfront_private_key(env),
        media_originals=_originals(env),
        media_sandbox_required=_sandbox_required(env, development=development),
        media_preview_format=_preview_format(env),
        media_video_s=_number(env, "PARLEY_MEDIA_VIDEO_S", 900.0, least=1, most=86_400),
        media_child_megabytes=_number(
            env, "PARLEY_MEDIA_CHILD_MEGABYTES", 512, least=128, most=65_536
        ),
        media_concurrency=_number(
            env, "PARLEY_MEDIA_CONCURRENCY", max(1, (os.cpu_count() or 1) - 1), least=1, most=256
        ),
        job_silence_s=_number(env, "PARLEY_JOB_SILENCE_S", 5.0, least=0.5, most=600),
        secret=_secret(env),
        secret_previous=_secret(env, "PARLEY_SECRET_PREVIOUS") or None,
        public_url=read_public_url(env, development=development),
        providers=read_providers(env, development=development, secret=_secret(env)),
        database_connections=_number(env, "PARLEY_DATABASE_CONNECTIONS", 8, least=2, most=1000),
        limits=_limits(env, DEVELOPMENT_LIMITS if development else Limits()),
    )


def read_environment() -> dict[str, str]:
    """This process's own variables, to be passed on to children with changes."""
    return dict(os.environ)


def require_services(settings: Settings) -> None:
    """What `serve` and `work` cannot start without.

    Raises:
        SettingsError: names the first that is missing.
    """
    if not settings.database_url:
        raise SettingsError(
            "DATABASE_URL must name a PostgreSQL database: postgresql://user@host/name."
        )
    if not settings.redis_url:
        raise SettingsError("REDIS_URL must name a Valkey or Redis server: redis://host:6379/0.")
    if not settings.secret:
        raise SettingsError(
            "PARLEY_SECRET must be set to at least 32 random characters; it signs all tokens."
        )


def _host(env: Mapping[str, str], name: str, *, development: bool) -> str:
    host = env.get(name) or "127.0.0.1"
    if development and host not in LOOPBACK_HOSTS and not env.get("PARLEY_DEVELOPMENT_OPEN"):
        raise SettingsError(
            f"{name} must be a loopback address in development, where codes are shown to "
            "whoever asks; "
            "set PARLEY_DEVELOPMENT_OPEN=1 to listen elsewhere all the same."
        )
    return host


def _secret(env: Mapping[str, str], name: str = "PARLEY_SECRET") -> str:
    secret = env.get(name) or ""
    if secret and len(secret) < 32:
        raise SettingsError(f"{name} must have at least 32 characters.")
    return secret


def _originals(env: Mapping[str, str]) -> Originals:
    given = env.get("PARLEY_MEDIA_ORIGINALS") or "files"
    if given not in ("files", "keep"):
        raise SettingsError("PARLEY_MEDIA_ORIGINALS must be 'files' or 'keep'.")
    return "keep" if given == "keep" else "files"


def _sandbox_required(env: Mapping[str, str], *, development: bool) -> bool:
    given = env.get("PARLEY_MEDIA_SANDBOX") or ("prefer" if development else "require")
    if given not in ("require", "prefer"):
        raise SettingsError("PARLEY_MEDIA_SANDBOX must be 'require' or 'prefer'.")
    return given == "require"


def _preview_format(env: Mapping[str, str]) -> str:
    given = (env.get("PARLEY_MEDIA_PREVIEW_FORMAT") or "JPEG").upper()
    if given not in ("JPEG", "WEBP"):
        raise SettingsError("PARLEY_MEDIA_PREVIEW_FORMAT must be 'JPEG' or 'WEBP'.")
    return given


def _cloudfront_private_key(env: Mapping[str, str]) -> str | None:
    """The PEM text, which the variable holds or names the file of."""
    given = env.get("PARLEY_CLOUDFRONT_PRIVATE_KEY") or None
    if bool(given) != bool(env.get("PARLEY_CLOUDFRONT_KEY_ID")):
        raise SettingsError(
            "PARLEY_CLOUDFRONT_KEY_ID and PARLEY_CLOUDFRONT_PRIVATE_KEY must be set together."
        )
    if given is None:
        return None
    if not env.get("PARLEY_MEDIA_BASE_URL"):
        raise SettingsError(
            "PARLEY_MEDIA_BASE_URL must name the distribution that PARLEY_CLOUDFRONT_KEY_ID "
            "signs for."
        )
    if given.startswith("-----BEGIN"):
        # Some set variables on one line only.
        return given.replace("\\n", "\n")
    try:
        return Path(given).read_text("ascii")
    except (OSError, ValueError):
        raise SettingsError(
            "PARLEY_CLOUDFRONT_PRIVATE_KEY must be a key in PEM, or the path of a file with one."
        ) from None


def _number(
    env: Mapping[str, str], name: str, default: Number, *, least: float, most: float
) -> Number:
    text = env.get(name)
    if not text:
        return default
    try:
        value = type(default)(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {text!r}.") from None
    if not least <= value <= most:
        raise SettingsError(f"{name} must be between {least:g} and {most:g}, not {text}.")
    return value


def _limits(env: Mapping[str, str], limits: Limits) -> Limits:
    """Each field of `Limits` is a setting: `PARLEY_MESSAGE_LENGTH=4096`; a budget is
    `PARLEY_CODES_PER_NUMBER=5/3600`.
    """
    changes: dict[str, int | float | Budget] = {}
    for limit in dataclasses.fields(limits):
        name = f"PARLEY_{limit.name.upper()}"
        default = getattr(limits, limit.name)
        if not env.get(name):
            continue
        if isinstance(default, Budget):
            amount, _, window = env[name].partition("/")
            parts = {"amount": amount, "window_s": window or str(default.window_s)}
            changes[limit.name] = Budget(
                amount=_number({name: parts["amount"]}, name, 0, least=0, most=2**53),
                window_s=_number({name: parts["window_s"]}, name, 1, least=1, most=2**31),
            )
        else:
            changes[limit.name] = _number(env, name, default, least=0, most=2**53)
    return dataclasses.replace(limits, **changes)  # type: ignore[arg-type]
