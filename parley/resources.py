"""Opens what a process shares, in order, and closes it in reverse."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from models.background import Loops
from models.buckets import Buckets
from models.committer import Committer
from models.database import Database
from models.log import Batch
from models.media_urls import (
    CloudFrontAddresses,
    MediaUrls,
    PlainAddresses,
    StorageAddresses,
    read_private_key,
)
from models.positions import Moved
from models.sessions import Sessions
from models.sms import DevelopmentSmsSender, SmsSender, SnsSmsSender
from models.sms_numbers import SmsRules
from models.storage import Storage
from models.tokens import Tokens
from models.uploads import Uploads
from parley.push import read_push_rules
from parley.settings import Settings, SettingsError, require_services
from schema.context import Resources
from subscriptions.hub import Hub
from subscriptions.live import Live
from subscriptions.node import Node
from subscriptions.presence import NodePresence
from subscriptions.presence_watch import PresenceWatch
from subscriptions.receipts import Receipts
from subscriptions.refill import Refill
from subscriptions.session_watch import SessionWatch
from subscriptions.signaller import Signaller
from subscriptions.typing import Typing
from subscriptions.viewer_states import ViewerStates
from workers.dispatch import Dispatcher
from workers.indexing import Indexing
from workers.push.queueing import PushQueue
from workers.relay import Relay


@dataclass(slots=True, kw_only=True)
class Process:
    """One process's parts: what operations share, and what runs beside them."""

    resources: Resources
    loops: Loops
    hub: Hub
    node: Node
    watch: SessionWatch
    presence: NodePresence
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
    """
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


@asynccontextmanager
async def open_process(settings: Settings) -> AsyncIterator[Process]:
    """Everything an API process needs. PostgreSQL must be there; Valkey may be away."""
    require_services(settings)
    assert settings.database_url is not None
    limits = settings.limits
    loops = Loops()
    push_rules = await read_push_rules(settings)
    storage = open_storage(settings)
    media_urls = make_media_urls(settings, storage)
    if settings.aws_access_key_id is None:
        # A role's key is asked for over the network, and should be there with the first page.
        await storage.ready()
    database = await Database.open(settings.database_url, connections=settings.database_connections)
    valkey = open_valkey(settings)
    buckets = Buckets(limits)
    refill = Refill(valkey, buckets, loops)
    hub = Hub(database, replay_entries=limits.replay_entries)
    tokens = Tokens(settings.secret, limits)
    sessions = Sessions(database, tokens)
    watch = SessionWatch(sessions, notice_s=limits.session_expiring_notice_s)
    states = ViewerStates(database, hub, unread_most=limits.unread_count)
    signaller = Signaller(hub, states, on_viewer_changed=sessions.forget_user)
    node = Node(
        valkey=valkey,
        database=database,
        hub=hub,
        on_repaired=lambda: live.announce_repair(),
        on_signals=lambda signals: live.receive(signals),
    )
    typing = Typing(valkey, database, signaller.announce, limits)
    presence = NodePresence(
        valkey=valkey,
        database=database,
        node_id=node.id,
        limits=limits,
        on_changed=lambda user_ids: presence_watch.announce_changes(user_ids),
        on_streams_ended=typing.end,
        on_held_again=lambda: presence_watch.register_again(),
    )
    presence_watch = PresenceWatch(
        valkey=valkey, database=database, node=node, presence=presence, limits=limits
    )
    live = Live(database, hub, node, watch, signaller, presence, presence_watch, typing, limits)
    pushes = PushQueue(database, limits)
    dispatcher = Dispatcher(database, hub, node, pushes)
    indexing = Indexing(database)

    def on_commit(batch: Batch) -> None:
        dispatcher.on_commit(batch)
        indexing.on_commit(batch)

    receipts = Receipts(database, live.announce)

    def on_moved(moves: Sequence[Moved]) -> None:
        receipts.on_moved(moves)
        pushes.on_moved(moves)

    committer = Committer(settings.database_url, on_commit, on_moved)
    relay = Relay(database, hub, dispatcher)
    uploads = Uploads(database, storage, limits)
    refill.start()
    await node.open()
    signaller.start(node)
    presence.start()
    presence_watch.start()
    receipts.start()
    pushes.start()
    dispatcher.start()
    indexing.start()
    committer.start()
    relay.start()
    watch.start()
    resources = Resources(
        database=database,
        committer=committer,
        publish=on_commit,
        live=live,
        tokens=tokens,
        sessions=sessions,
        sms=make_sms_sender(settings),
        sms_rules=SmsRules(settings.sms_countries),
        push=push_rules,
        uploads=uploads,
        media_urls=media_urls,
        update_pushes=pushes.update,
        buckets=buckets,
        limits=limits,
        development=settings.development,
    )
    try:
        yield Process(
            resources=resources,
            loops=loops,
            hub=hub,
            node=node,
            watch=watch,
            presence=presence,
            dispatcher=dispatcher,
        )
    finally:
        await uploads.close()
        await committer.close()
        await dispatcher.close()
        await indexing.close()
        await relay.close()
        await pushes.close()
        await watch.close()
        await presence_watch.close()
        await presence.close()
        await typing.close()
        await receipts.close()
        await signaller.close()
        await states.close()
        await node.close()
        await refill.close()
        await sessions.close()
        await storage.close()
        await valkey.aclose()
        await database.close()
