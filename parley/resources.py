"""Opens what a process shares, in order, and closes it in reverse."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from models.background import Loops
from models.devices.sessions import Sessions
from models.duties import Duty
from models.limits.buckets import Buckets
from models.log.committer import Committer
from models.log.entries import Batch
from models.log.positions import Moved
from models.log.streams.cursors import Cursors
from models.media.uploads import Uploads
from models.media.urls import (
    MediaUrls,
)
from models.postgresql.database import Database
from models.postgresql.replica import Replica
from models.storage.bucket import Storage
from models.tokens import Tokens
from models.users.profiles import Profiles
from models.users.sms_numbers import SmsRules
from parley.opening import (
    make_media_urls,
    make_sms_sender,
    make_tokens,
    open_database,
    open_storage,
)
from parley.parts import Parts
from parley.push import read_push_rules
from parley.settings import Settings, require_services
from schema.context import Resources
from schema.event_loads import EventLoads
from subscriptions.activity import Activity
from subscriptions.buckets import Refill
from subscriptions.connections import Connections
from subscriptions.following import Following
from subscriptions.hub import Hub
from subscriptions.nodes.node import Node
from subscriptions.nodes.opening import open_valkey
from subscriptions.presence.presence import NodePresence
from subscriptions.presence.watch import PresenceWatch
from subscriptions.receipts import Receipts
from subscriptions.scripts import Valkey
from subscriptions.secret_watch import SecretWatch
from subscriptions.session_watch import SessionWatch
from subscriptions.signaller import Signaller
from subscriptions.typing import Typing
from subscriptions.viewer_states import ViewerStates
from workers.dispatch.dispatch import Dispatcher
from workers.dispatch.indexing import Indexing
from workers.dispatch.relay import RELAY, Relay
from workers.push.queueing import PushQueue


@dataclass(slots=True, kw_only=True)
class Process:
    """One process's parts: what operations share, and what runs beside them."""

    resources: Resources
    loops: Loops
    hub: Hub
    node: Node
    watch: SessionWatch
    presence: NodePresence
    connections: Connections
    dispatcher: Dispatcher
    relay: Duty


@asynccontextmanager
async def open_process(settings: Settings) -> AsyncIterator[Process]:
    """Open everything that an API process needs, and close it in reverse. PostgreSQL must be
    there; Valkey may be away.
    """
    require_services(settings)
    async with Parts() as parts:
        yield await _open_parts(settings, parts)


@dataclass(slots=True, kw_only=True)
class _Ground:
    """What other parts stand on."""

    settings: Settings
    loops: Loops
    storage: Storage
    media_urls: MediaUrls
    database: Database
    profiles: Profiles
    valkey: Valkey
    tokens: Tokens
    sessions: Sessions


@dataclass(slots=True, kw_only=True)
class _Following:
    """What serves open streams."""

    hub: Hub
    node: Node
    watch: SessionWatch
    presence: NodePresence
    connections: Connections
    live: Following
    receipts: Receipts


async def _open_parts(settings: Settings, parts: Parts) -> Process:
    push_rules = await read_push_rules(settings)
    ground = await _open_ground(settings, parts)
    loops, database, limits = ground.loops, ground.database, settings.limits
    buckets = Buckets(limits)
    parts.start(Refill(ground.valkey, buckets, loops, within_s=limits.bucket_wait_s))
    parts.start(SecretWatch(ground.valkey, ground.tokens, loops))
    following = await _open_following(ground, parts)
    hub, node, receipts = following.hub, following.node, following.receipts
    pushes = parts.start(PushQueue(database, limits, loops=loops))
    activity = parts.start(Activity(ground.valkey, limits, loops=loops))
    dispatcher = Dispatcher(database, hub, node, pushes, loops=loops)
    relay = Duty(database, RELAY, node.id)
    parts.start(Relay(database, hub, dispatcher, relay, loops=loops))
    indexing = parts.start(Indexing(database, loops=loops))
    parts.start(dispatcher)

    def on_commit(batch: Batch) -> None:
        dispatcher.on_commit(batch)
        indexing.on_commit(batch)

    def on_moved(moves: Sequence[Moved]) -> None:
        receipts.on_moved(moves)
        pushes.on_moved(moves)

    committer = parts.start(
        Committer(
            database.url,
            on_commit,
            on_moved,
            is_distributed=database.is_distributed,
            deadline_s=settings.limits.commit_deadline_s,
            loops=loops,
        )
    )
    resources = Resources(
        database=database,
        committer=committer,
        publish=on_commit,
        live=following.live,
        event_loads=parts.add(EventLoads(database, loops=loops)),
        tokens=ground.tokens,
        sessions=ground.sessions,
        sms=make_sms_sender(settings),
        sms_rules=SmsRules(settings.providers.sms_countries),
        push=push_rules,
        uploads=parts.add(Uploads(database, ground.storage, limits)),
        media_urls=ground.media_urls,
        note_active=activity.note,
        update_pushes=pushes.update,
        buckets=buckets,
        limits=limits,
        development=settings.development,
    )
    return Process(
        resources=resources,
        loops=loops,
        hub=hub,
        node=node,
        watch=following.watch,
        presence=following.presence,
        connections=following.connections,
        dispatcher=dispatcher,
        relay=relay,
    )


async def _open_ground(settings: Settings, parts: Parts) -> _Ground:
    loops = Loops()
    storage = parts.add(open_storage(settings))
    media_urls = make_media_urls(settings, storage)
    if settings.aws_access_key_id is None:
        # A role's key is asked for over the network, and should be there with the first page.
        await storage.ready()
    database = await open_database(settings, parts, connections=settings.database_connections)
    if settings.read_database_url is not None:
        database.replica = parts.add(
            await Replica.open(
                settings.read_database_url,
                connections=settings.database_connections,
                answer_within_s=settings.limits.replica_wait_s,
            )
        )
    profiles = database.profiles = parts.start(Profiles(database, loops=loops))
    assert settings.redis_url is not None
    valkey = open_valkey(settings.redis_url)
    parts.push_async_callback(valkey.aclose)
    tokens = make_tokens(settings)
    return _Ground(
        settings=settings,
        loops=loops,
        storage=storage,
        media_urls=media_urls,
        database=database,
        profiles=profiles,
        valkey=valkey,
        tokens=tokens,
        sessions=parts.add(Sessions(database, tokens, loops=loops)),
    )


def _add_presence(
    ground: _Ground, node: Node, typing: Typing, parts: Parts
) -> tuple[NodePresence, PresenceWatch]:
    """Add who is online at this node, and who watches whom; each tells the other."""
    loops, database, valkey = ground.loops, ground.database, ground.valkey
    limits = ground.settings.limits
    presence = parts.add(
        NodePresence(
            valkey=valkey,
            database=database,
            node_id=node.id,
            limits=limits,
            on_changed=lambda user_ids: presence_watch.announce_changes(user_ids),
            on_streams_ended=typing.end,
            on_held_again=lambda: presence_watch.register_again(),
            loops=loops,
        )
    )
    presence_watch = parts.add(
        PresenceWatch(
            valkey=valkey,
            database=database,
            node=node,
            presence=presence,
            limits=limits,
            loops=loops,
        )
    )
    return presence, presence_watch


async def _open_following(ground: _Ground, parts: Parts) -> _Following:
    loops, database, valkey = ground.loops, ground.database, ground.valkey
    limits, sessions = ground.settings.limits, ground.sessions

    def on_viewer_changed(user_id: str) -> None:
        sessions.forget_user(user_id)
        ground.profiles.drop([user_id])

    hub = parts.add(Hub(database, replay_entries=limits.replay_entries, loops=loops))
    node = parts.add(
        Node(
            valkey=valkey,
            database=database,
            hub=hub,
            on_repaired=lambda: on_repaired(),
            on_signals=lambda signals: live.receive(signals),
            loops=loops,
        )
    )
    connections = parts.add(Connections(valkey, node.id, limits, loops))
    states = parts.add(ViewerStates(database, hub, unread_most=limits.unread_count, loops=loops))
    signaller = parts.add(Signaller(hub, states, on_viewer_changed=on_viewer_changed, loops=loops))
    receipts = parts.add(Receipts(database, lambda signals: live.announce(signals), loops=loops))
    typing = parts.add(Typing(valkey, database, signaller.announce, limits, loops=loops))
    presence, presence_watch = _add_presence(ground, node, typing, parts)
    watch = parts.add(
        SessionWatch(sessions, notice_s=limits.session_expiring_notice_s, loops=loops)
    )
    live = Following(
        database,
        hub,
        node,
        watch,
        signaller,
        presence,
        presence_watch,
        typing,
        Cursors(ground.tokens),
        limits,
    )

    def on_repaired() -> None:
        live.announce_repair()
        connections.write_all()

    # What calls each other is there now.
    await node.open()
    connections.start()
    signaller.start(node)
    receipts.start()
    presence.start()
    presence_watch.start()
    watch.start()
    return _Following(
        hub=hub,
        node=node,
        watch=watch,
        presence=presence,
        connections=connections,
        live=live,
        receipts=receipts,
    )
