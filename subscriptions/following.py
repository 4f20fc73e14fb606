"""Following: how a feed attaches, replays what was missed, merges, and goes live.

Attach first: the hub holds the feed, and the registry has answered, before the log is read.
Whatever is committed after that read is offered to the feed; what was offered meanwhile is held
back, and what it does not cover is read again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.log.events import InboxReady, Occurrence, SessionExpiring
from models.log.signals import SignalKind, Signalled
from models.log.streams.cursors import Cursors
from models.log.streams.named import InboxStart
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.users.presence import Presence
from subscriptions.feed import Feed, FeedKind
from subscriptions.hub import Hub
from subscriptions.inbox.progress import place_of
from subscriptions.inbox.source import InboxSource
from subscriptions.nodes.node import Node
from subscriptions.presence.presence import NodePresence
from subscriptions.presence.watch import PresenceWatch
from subscriptions.replays import Replays
from subscriptions.session_watch import SessionWatch
from subscriptions.signaller import Signaller
from subscriptions.sources import ChannelSource, PresenceSource
from subscriptions.typing import Typing


class Following:
    """Open feeds for viewers, and pass on what is in no log: what `schema.live.Live` promises."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        node: Node,
        watch: SessionWatch,
        signaller: Signaller,
        presence: NodePresence,
        presence_watch: PresenceWatch,
        typing: Typing,
        cursors: Cursors,
        limits: Limits,
    ) -> None:
        self._database = database
        self._hub = hub
        self._node = node
        self._watch = watch
        self._signaller = signaller
        self._presence = presence
        self._presence_watch = presence_watch
        self._typing = typing
        self._cursors = cursors
        self._limits = limits
        self._replays = Replays()

    def announce(self, signals: Sequence[Signalled]) -> None:
        self._signaller.announce(signals)
        self._presence_watch.announce(signals)

    def receive(self, signals: Sequence[Signalled]) -> None:
        """Take in what another node announced."""
        self._signaller.receive(signals)
        self._presence_watch.receive(signals)

    async def follow_inbox(self, viewer: Viewer, start: InboxStart) -> Feed:
        source = InboxSource(
            self._database, self._hub, self._node, self._limits, self._cursors, start
        )
        feed = Feed(
            source,
            viewer.user.id,
            viewer.device_id,
            queued_events=self._limits.queued_events_per_socket,
            replays=self._replays,
        )
        await self._attach(feed, viewer)
        return feed

    async def follow_messages(self, viewer: Viewer, channel_id: str, after_seq: int | None) -> Feed:
        return await self._follow_channel(viewer, channel_id, "messages", after_seq)

    async def follow_signals(self, viewer: Viewer, channel_id: str, kind: SignalKind) -> Feed:
        return await self._follow_channel(viewer, channel_id, kind, None)

    async def follow_presence(self, viewer: Viewer, user_ids: Sequence[str]) -> Feed:
        source = PresenceSource(self._database, self._hub, self._node, self._limits)
        feed = Feed(
            source,
            viewer.user.id,
            viewer.device_id,
            kind="presence",
            queued_events=self._limits.queued_events_per_socket,
            replays=self._replays,
        )
        await self._attach(feed, viewer)
        try:
            self._presence_watch.follow(feed, user_ids)
        except BaseException:
            feed.end()
            raise
        return feed

    async def list_presences(
        self, viewer_id: str, user_ids: Sequence[str]
    ) -> Mapping[str, Presence]:
        return await self._presence_watch.list_presences(viewer_id, user_ids)

    async def set_typing(self, viewer: Viewer, channel_id: str, typing: bool) -> datetime:
        return await self._typing.set_typing(viewer.user.id, channel_id, typing)

    async def _follow_channel(
        self, viewer: Viewer, channel_id: str, kind: FeedKind, after_seq: int | None
    ) -> Feed:
        source = ChannelSource(self._database, self._hub, self._node, self._limits)
        feed = Feed(
            source,
            viewer.user.id,
            viewer.device_id,
            kind=kind,
            only_channel=channel_id,
            queued_events=self._limits.queued_events_per_socket,
            replays=self._replays,
        )
        await self._attach(feed, viewer)
        try:
            await source.begin(feed, after_seq)
        except BaseException:
            feed.end()
            raise
        return feed

    async def _attach(self, feed: Feed, viewer: Viewer) -> None:
        self._hub.add(feed)
        stop_watching = self._watch.follow(viewer, FeedSession(feed))
        feed.ended.add_done_callback(lambda _: stop_watching())
        # A socket holds its user by itself; this is for streams without one.
        let_go = self._presence.hold(feed.user_id)
        feed.ended.add_done_callback(lambda _: let_go())
        try:
            await self._node.add_user(feed.user_id)
        except BaseException:
            feed.end()
            raise

    def announce_repair(self) -> None:
        """Send `InboxReady` once more after a repair: signals may have been missed, so clients are
        to fetch what is in no log again.
        """
        for feed in self._hub.feeds():
            if feed.live and feed.kind == "inbox":
                place = place_of(feed, self._cursors)
                feed.put(Occurrence(InboxReady(datetime.now(UTC), 0, place)))


class FeedSession:
    """Tell a feed that its session is about to end, or has ended."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def session_expiring(self, expires_at: datetime) -> None:
        if self._feed.kind == "inbox":
            self._feed.put(Occurrence(SessionExpiring(datetime.now(UTC), expires_at)))

    def session_over(self) -> None:
        self._feed.end(Refused(RefusalCode.SESSION_REVOKED, "This session is over; sign in again."))
