"""Opens what a process shares, in order, and closes it in reverse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from models.committer import Committer
from models.database import Database
from models.sessions import Sessions
from models.sms import DevelopmentSmsSender, SmsSender, SnsSmsSender
from models.tokens import Tokens
from parley.settings import Settings, require_services
from schema.context import Resources
from subscriptions.hub import Hub
from subscriptions.live import Live
from subscriptions.node import Node
from subscriptions.session_watch import SessionWatch
from subscriptions.signaller import Signaller
from workers.dispatch import Dispatcher
from workers.relay import Relay


@dataclass(slots=True, kw_only=True)
class Process:
    """One process's parts: what operations share, and what runs beside them."""

    resources: Resources
    hub: Hub
    node: Node
    watch: SessionWatch
    dispatcher: Dispatcher


def open_valkey(settings: Settings) -> Redis:
    """A client that does not wait for a Valkey that is away: a hint that comes late is worth
    nothing.
    """
    assert settings.redis_url is not None
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=2,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=0,
        max_connections=200,
    )


def make_sms_sender(settings: Settings) -> SmsSender:
    if settings.development:
        return DevelopmentSmsSender()
    return SnsSmsSender.open(region=settings.aws_region)


@asynccontextmanager
async def open_process(settings: Settings) -> AsyncIterator[Process]:
    """Everything an API process needs. PostgreSQL must be there; Valkey may be away."""
    require_services(settings)
    assert settings.database_url is not None
    limits = settings.limits
    database = await Database.open(settings.database_url, connections=settings.database_connections)
    valkey = open_valkey(settings)
    hub = Hub(database, replay_entries=limits.replay_entries)
    tokens = Tokens(settings.secret, limits)
    sessions = Sessions(database, tokens)
    watch = SessionWatch(sessions, notice_s=limits.session_expiring_notice_s)
    signaller = Signaller(database, hub, unread_most=limits.unread_count)
    node = Node(
        valkey=valkey,
        database=database,
        hub=hub,
        on_repaired=lambda: live.announce_repair(),
        on_signals=signaller.receive,
    )
    live = Live(database, hub, node, watch, signaller, limits)
    dispatcher = Dispatcher(database, hub, node)
    committer = Committer(settings.database_url, dispatcher.on_commit)
    relay = Relay(database, hub, dispatcher)
    await node.open()
    signaller.start(node)
    dispatcher.start()
    committer.start()
    relay.start()
    watch.start()
    resources = Resources(
        database=database,
        committer=committer,
        publish=dispatcher.on_commit,
        live=live,
        tokens=tokens,
        sessions=sessions,
        sms=make_sms_sender(settings),
        limits=limits,
        development=settings.development,
    )
    try:
        yield Process(resources=resources, hub=hub, node=node, watch=watch, dispatcher=dispatcher)
    finally:
        await committer.close()
        await dispatcher.close()
        await relay.close()
        await watch.close()
        await signaller.close()
        await node.close()
        await sessions.close()
        await valkey.aclose()
        await database.close()
