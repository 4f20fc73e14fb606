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

Environment = Literal["development", "production"]
Number = TypeVar("Number", int, float)


class SettingsError(Exception):
    """One sentence for the operator: which setting is missing or wrong, and what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What operators set; see the table in README.md. `None` for a service's address means:
    embedded.
    """

    environment: Environment = "production"
    host: str = "127.0.0.1"
    port: int = 8000
    # One API process's own port on loopback; 0 lets the kernel choose.
    own_port: int = 0
    metrics_port: int | None = None
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
    aws_region: str = "us-east-1"
    # Signs tokens and hashes codes; at least 32 characters. `dev` makes one and keeps it in the
    # data directory.
    secret: str = field(default="", repr=False)
    # Connections of one API process to PostgreSQL, the committer's own not counted.
    database_connections: int = 8
    limits: Limits = Limits()

    @property
    def development(self) -> bool:
        return self.environment == "development"


# A developer signs in thousands of test people from one address within a day.
DEVELOPMENT_LIMITS = Limits(
    code_interval_s=0,
    codes_per_number=Budget(amount=10_000, window_s=3600),
    codes_per_prefix=Budget(amount=100_000, window_s=3600),
    codes_per_address=Budget(amount=100_000, window_s=3600),
    codes_overall=Budget(amount=1_000_000, window_s=60),
    sign_ins_per_address=Budget(amount=100_000, window_s=3600),
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
    host = env.get("PARLEY_HOST") or "127.0.0.1"
    if (
        development
        and host not in ("127.0.0.1", "::1", "localhost")
        and not env.get("PARLEY_DEVELOPMENT_OPEN")
    ):
        raise SettingsError(
            "PARLEY_HOST must be a loopback address in development, where codes are shown to "
            "whoever asks; "
            "set PARLEY_DEVELOPMENT_OPEN=1 to listen elsewhere all the same."
        )
    return Settings(
        environment="development" if development else "production",
        host=host,
        port=_number(env, "PARLEY_PORT", 8000, least=0, most=65535),
        own_port=_number(env, "PARLEY_OWN_PORT", 0, least=0, most=65535),
        metrics_port=_number(env, "PARLEY_METRICS_PORT", 0, least=0, most=65535) or None,
        trusted_proxies=_words(env, "PARLEY_TRUSTED_PROXIES"),
        allowed_origins=_words(env, "PARLEY_ALLOWED_ORIGINS"),
        data_dir=Path(env.get("PARLEY_DATA_DIR") or ".parley").absolute(),
        api_processes=_number(env, "PARLEY_API_PROCESSES", 1, least=1, most=256),
        database_url=_url(env, "DATABASE_URL", ("postgresql://", "postgres://")),
        redis_url=_url(env, "REDIS_URL", ("redis://", "rediss://", "unix://")),
        s3_endpoint_url=_url(env, "S3_ENDPOINT_URL", ("http://", "https://")),
        s3_bucket=env.get("S3_BUCKET") or "parley",
        aws_access_key_id=env.get("AWS_ACCESS_KEY_ID") or None,
        aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY") or None,
        aws_region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
        secret=_secret(env),
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


def _secret(env: Mapping[str, str]) -> str:
    secret = env.get("PARLEY_SECRET") or ""
    if secret and len(secret) < 32:
        raise SettingsError("PARLEY_SECRET must have at least 32 characters.")
    return secret


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


def _words(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word for word in env.get(name, "").replace(",", " ").split() if word)


def _url(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    url = env.get(name) or None
    if url and not url.startswith(schemes):
        raise SettingsError(f"{name} must begin with {' or '.join(schemes)}.")
    return url


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
