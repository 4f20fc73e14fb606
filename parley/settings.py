"""Reads the process's settings from the environment once, here and nowhere else.

Each setting is declared once, as a field with its variable, bounds and meaning: here, in
`MediaSettings`, in `ProviderSettings` and in `Limits`. docs/settings.md is printed from them. What
is missing or wrong raises `SettingsError`, with a sentence for each variable.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from models.limits.limits import DEVELOPMENT_LIMITS, Limits
from models.limits.variables import (
    fraction,
    one_of,
    read_folder,
    read_networks,
    read_secret,
    read_switch,
    read_text,
    read_words,
    url,
    variable,
    whole,
)
from parley.configuration.media_settings import MediaSettings, find_wrong_media
from parley.configuration.provider_rules import complete_for_development, find_wrong_providers
from parley.configuration.trusted_documents import MEANING as TRUSTED_DOCUMENTS
from parley.configuration.trusted_documents import read_trusted_documents
from parley.configuration.variables import Reading, SettingsError, Wrong
from subscriptions.nodes.address import read_address
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
LAST_PORT = 65_535
# On which other defaults depend, so it is read first.
ENVIRONMENT = "PARLEY_ENV"
Environment = Literal["development", "production"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MediaSettings):
    """What operators set. `None` for a service's address means: embedded."""

    environment: Environment = variable(
        "production",
        one_of("development", "production"),
        "`development` shows one-time codes in answers; `make serve` sets it",
        name=ENVIRONMENT,
    )
    host: str = variable(
        "127.0.0.1",
        read_text,
        "the address to listen on; `development` refuses any but loopback",
    )
    development_open: bool = variable(
        False, read_switch, "`1` lets `development` listen on another address all the same"
    )
    # 0 lets the kernel choose.
    port: int = variable(8000, whole(0, LAST_PORT), "shared by all API processes of a machine")
    own_port: int = variable(
        0,
        whole(0, LAST_PORT),
        "a port of one process alone: of an API process (0: any free one; with "
        "`PARLEY_API_PROCESSES`, the first process has this one and each further one the next), "
        "or a worker's `/healthz` and `/readyz` (0: none)",
    )
    own_host: str = variable(
        "127.0.0.1",
        read_text,
        "the address that this port listens on. Set it where a balancer or a probe asks single "
        "processes from another machine; `development` refuses any but loopback",
    )
    drain_s: float = variable(
        3.0,
        fraction(0, 3600),
        "(`0.0` in development) seconds between the order to stop and the closing of the ports: "
        "`/readyz` answers 503 meanwhile, and requests and sockets are still taken. It must be "
        "longer than your balancer needs to notice",
        unset=lambda development: 0.0 if development else 3.0,
    )
    metrics_port: int | None = variable(
        None,
        lambda text: whole(0, LAST_PORT)(text) or None,
        "Prometheus at `/metrics`, one port a process: the first API process has this one, each "
        "further one the next, the worker this one + `PARLEY_API_PROCESSES`; none when unset",
    )
    metrics_host: str = variable("127.0.0.1", read_text, "the address that `/metrics` listens on")
    explorer: bool = variable(
        False,
        read_switch,
        "`1`: browsers get GraphiQL at `/graphql`, which `development` shows anyway; `0`: a line "
        "of text",
        unset=lambda development: development,
    )
    api_processes: int = variable(1, whole(1, 256), "API processes on this machine, 1 to 256")
    data_dir: Path = variable(
        Path(".parley"),
        read_folder,
        "what embedded servers store, and the secret made for them; a new folder, or an empty one "
        "of yours that others cannot write to",
        unset=lambda _: Path(".parley").absolute(),
    )
    # Signs tokens and hashes codes. `dev` keeps the one that it makes in the data directory.
    secret: str = variable(
        "",
        read_secret,
        "signs tokens and hashes codes; at least 32 characters; `dev` makes its own",
        secret=True,
    )
    secret_previous: str | None = variable(
        None,
        read_secret,
        "a second secret: what was made with it is still taken, nothing new is; see "
        "[deploy/secret.md](../deploy/secret.md)",
        secret=True,
    )
    trusted_proxies: tuple[str, ...] = variable(
        (),
        read_networks,
        "addresses or networks of your proxies, by space or comma: only their `X-Forwarded-For` "
        "is believed. Unset behind a proxy, all clients count as one address",
    )
    allowed_origins: tuple[str, ...] = variable(
        (),
        read_words,
        "browser origins besides the server's own, by space or comma; `development` takes only "
        "loopback's as its own",
    )
    # Texts of documents by id; None: every document is executed.
    trusted_documents: Mapping[str, str] | None = variable(
        None, read_trusted_documents, TRUSTED_DOCUMENTS
    )
    plans: bool = variable(
        True,
        read_switch,
        "`0`: GraphQL operations are executed by graphql-core and Strawberry alone, with the same "
        "answers and several times the CPU, to find out whether a fault is in the engine",
    )
    # Where clients and mail programs reach this server. Mail programs post to https:// only.
    public_url: str | None = variable(
        None,
        url("https://", "http://"),
        "where this server is reached from outside, `https://…`, for the links in mails; must be "
        "set where `PARLEY_SMTP_URL` is",
    )
    database_url: str | None = variable(
        None,
        url("postgresql://", "postgres://"),
        "`postgresql://…`, PostgreSQL ≥ 15. Several hosts, as `postgresql://user@one,other/name`: "
        "the one that takes writes is chosen, now and after a failover",
        name="DATABASE_URL",
        shown="embedded",
        secret=True,
    )
    read_database_url: str | None = variable(
        None,
        url("postgresql://", "postgres://"),
        "`postgresql://…`, a replica of that database: pages of messages older than a minute are "
        "read there while it is as far as the primary",
        name="READ_DATABASE_URL",
        secret=True,
    )
    jobs_database_url: str | None = variable(
        None,
        url("postgresql://", "postgres://"),
        "`postgresql://…`, another database for the queue of jobs, `migrate`d as the first; it may "
        "be away for a while",
        name="JOBS_DATABASE_URL",
        shown="that of DATABASE_URL",
        secret=True,
    )
    database_connections: int = variable(
        8,
        whole(2, 1000),
        "connections of one API process, 2 to 1000, those of the committer and of `/readyz` not "
        "counted",
    )
    redis_url: str | None = variable(
        None,
        read_address,
        "`redis://…`, `rediss://…` or `unix://…`, Valkey or Redis ≥ 7: one server, or a primary "
        "behind one address. A cluster is named by some of its servers: "
        "`redis://user:password@a:6379,b:6379?cluster=true`",
        name="REDIS_URL",
        shown="embedded",
        secret=True,
    )
    job_silence_s: float = variable(
        5.0,
        fraction(0.5, 600),
        "seconds after which the jobs of a silent worker are given to others",
    )
    # Who is pushed through; see parley/push.py.
    providers: ProviderSettings = ProviderSettings()
    limits: Limits = Limits()

    @property
    def development(self) -> bool:
        return self.environment == "development"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read every `PARLEY_*` and service variable.

    Raises:
        SettingsError: values cannot be used, or lack others beside them; with a line for each.
    """
    environ = os.environ if environ is None else environ
    reading = Reading(environ, development=environ.get(ENVIRONMENT) == "development")
    settings = reading.fill(
        Settings, providers=reading.fill(ProviderSettings), limits=reading.fill(Limits)
    )
    reading.note(_find_wrong(settings))
    reading.note(find_wrong_media(settings))
    reading.note(find_wrong_providers(settings.providers))
    reading.refuse()
    return _complete(settings)


def _find_wrong(settings: Settings) -> Iterator[Wrong]:
    """Find which settings do not go together."""
    development, public_url = settings.development, settings.public_url
    hosts = {"PARLEY_HOST": settings.host, "PARLEY_OWN_HOST": settings.own_host}
    for name, host in hosts.items():
        if development and host not in LOOPBACK_HOSTS and not settings.development_open:
            yield Wrong(
                name,
                f"{name} must be a loopback address in development, where codes are shown to "
                "whoever asks; set PARLEY_DEVELOPMENT_OPEN=1 to listen elsewhere all the same.",
            )
    if not development and public_url is not None and not public_url.startswith("https://"):
        yield Wrong("PARLEY_PUBLIC_URL", "PARLEY_PUBLIC_URL must begin with https://.")
    if not development and public_url is None and settings.providers.smtp_url is not None:
        yield Wrong(
            "PARLEY_PUBLIC_URL",
            "PARLEY_PUBLIC_URL must be set where PARLEY_SMTP_URL is: the https:// address of this "
            "server, for the links in mails.",
        )


def _complete(settings: Settings) -> Settings:
    """Give providers the keys of storage, and development what nobody set."""
    development = settings.development
    providers = replace(
        settings.providers,
        web_push_allow_internal=development and settings.providers.web_push_allow_internal,
        sns_region=settings.aws_region,
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key,
    )
    public_url = settings.public_url
    if development:
        providers = complete_for_development(providers, settings.secret)
        if public_url is None and providers.smtp_url is not None:
            public_url = f"http://127.0.0.1:{settings.port}"
    return replace(settings, providers=providers, public_url=public_url)


def read_environment() -> dict[str, str]:
    """Return this process's own variables, to be passed on to children with changes."""
    return dict(os.environ)


def require_services(settings: Settings) -> None:
    """Check that there is what `serve` and `work` cannot start without.

    Raises:
        SettingsError: with a sentence for each setting that is missing.
    """
    needed = {
        "DATABASE_URL must name a PostgreSQL database: postgresql://user@host/name.": (
            settings.database_url
        ),
        "REDIS_URL must name a Valkey or Redis server, redis://host:6379/0, or some servers of a "
        "cluster, redis://a:6379,b:6379?cluster=true.": settings.redis_url,
        "PARLEY_SECRET must be set to at least 32 random characters; it signs all tokens.": (
            settings.secret
        ),
    }
    missing = [sentence for sentence, value in needed.items() if not value]
    if missing:
        raise SettingsError("\n".join(missing))
