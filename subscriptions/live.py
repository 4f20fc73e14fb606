"""Following: how a feed attaches, replays what was missed, merges, and goes live.

Attach first: the hub holds the feed, and the registry has answered, before the log is read.
Whatever is committed after that read is offered to the feed; what was offered meanwhile is held
back, and what it does not cover is read again.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from models.database import Database
from models.events import InboxReady, Occurrence, ResyncRequired, SessionExpiring, TooFarBehind
from models.limits import Limits
from models.log import (
    Standing,
    hydrate_entries,
    list_device_positions,
    list_entries,
    list_standings,
)
from models.presence import Presence
from models.refusals import RefusalCode, Refused, not_found
from models.signals import SignalKind, Signalled
from models.viewer import Viewer
from subscriptions.feed import Feed, FeedKind, resync_occurrence
from subscriptions.hub import Hub
from subscriptions.node import Node
from subscriptions.occurrences import LiveEntry
from subscriptions.presence import NodePresence
from subscriptions.presence_watch import PresenceWatch
from subscriptions.session_watch import SessionWatch
from subscriptions.signaller import Signaller
from subscriptions.typing import Typing

# Entries read in one piece while replaying; the next piece is read when the client has taken this
# one.
PIECE_ENTRIES = 200


class Live:
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
        self._limits = limits

    def announce(self, signals: Sequence[Signalled]) -> None:
        self._signaller.announce(signals)
        self._presence_watch.announce(signals)

    def receive(self, signals: Sequence[Signalled]) -> None:
        """What another node announced."""
        self._signaller.receive(signals)
        self._presence_watch.receive(signals)

    async def follow_inbox(self, viewer: Viewer, after: Mapping[str, int]) -> Feed:
        source = InboxSource(self._database, self._hub, self._node, self._limits, dict(after))
        feed = Feed(
            source,
            viewer.user.id,
            viewer.device_id,
            queued_events=self._limits.queued_events_per_socket,
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
        """After a repair: what is in no log may have been missed, so clients are to fetch it
        again.
        """
        for feed in self._hub.feeds():
            if feed.live and feed.kind == "inbox":
                feed.put(Occurrence(InboxReady(datetime.now(UTC), 0)))


class FeedSession:
    """Tells a feed of its session."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def session_expiring(self, expires_at: datetime) -> None:
        if self._feed.kind == "inbox":
            self._feed.put(Occurrence(SessionExpiring(datetime.now(UTC), expires_at)))

    def session_over(self) -> None:
        self._feed.end(Refused(RefusalCode.SESSION_REVOKED, "This session is over; sign in again."))


class _Source:
    """The common part: pieces of the log, in order, each entry once."""

    def __init__(self, database: Database, hub: Hub, node: Node, limits: Limits) -> None:
        self._database = database
        self._hub = hub
        self._node = node
        self._limits = limits

    def want_gap(self, feed: Feed, channel_id: str) -> None:
        self._hub.want_gap(feed, channel_id)

    def detach(self, feed: Feed) -> None:
        self._hub.remove(feed)
        self._node.remove_user(feed.user_id)

    async def _read(self, feed: Feed, channel_id: str, up_to_seq: int) -> AsyncIterator[Occurrence]:
        """Everything from the feed's position up to a seq; moves the position."""
        while (position := feed.positions[channel_id]) < up_to_seq and not feed.ended.done():
            entries = await list_entries(
                self._database,
                channel_id,
                after_seq=position,
                up_to_seq=up_to_seq,
                most=PIECE_ENTRIES,
            )
            await hydrate_entries(self._database, entries)
            for entry in entries:
                occurrence = feed.take(LiveEntry(entry, fresh=False))
                if occurrence is not None:
                    yield occurrence
                if channel_id in feed.left:
                    return

    async def _read_what_is_lacking(self, feed: Feed) -> AsyncIterator[Occurrence]:
        """What was committed during the replay and is not held back whole; then the feed goes live,
        without a pause.
        """
        while not feed.ended.done():
            if lost := feed.take_lost():
                for channel_id, seq in lost.items():
                    yield resync_occurrence(channel_id, seq)
            elif lacking := self._lacking(feed):
                for channel_id, up_to_seq in lacking:
                    async for occurrence in self._read(feed, channel_id, up_to_seq):
                        yield occurrence
            else:
                feed.go_live()
                return

    def _lacking(self, feed: Feed) -> list[tuple[str, int]]:
        for channel_id in feed.held.keys() - feed.positions.keys():
            # A channel joined during the replay begins at the entry that joins it.
            feed.positions[channel_id] = feed.joined_seqs.get(channel_id, 1) - 1
        return [(channel_id, gap[1]) for channel_id in feed.held if (gap := feed.lacks(channel_id))]


class InboxSource(_Source):
    def __init__(
        self, database: Database, hub: Hub, node: Node, limits: Limits, after: dict[str, int]
    ) -> None:
        super().__init__(database, hub, node, limits)
        self._after = after

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        device = await list_device_positions(self._database, feed.user_id, feed.device_id)
        standings = await list_standings(self._database, feed.user_id)
        replayed = 0
        resyncs = list(self._set_positions(feed, standings, device))
        for channel_id, seq in resyncs:
            yield resync_occurrence(channel_id, seq)
        for standing in standings:
            up_to = standing.last_seq if standing.left_seq is None else standing.left_seq
            async for occurrence in self._read(feed, standing.channel_id, up_to):
                replayed += 1
                yield occurrence
        async for occurrence in self._read_what_is_lacking(feed):
            replayed += not isinstance(occurrence.value, ResyncRequired)
            yield occurrence
        yield Occurrence(InboxReady(datetime.now(UTC), replayed))

    def _set_positions(
        self, feed: Feed, standings: Iterable[Standing], device: Mapping[str, int]
    ) -> Iterable[tuple[str, int]]:
        """Where each channel begins; those whose position is of no use begin at their end, and are
        given back.
        """
        for at in standings:
            known_joined_seq = feed.joined_seqs.get(at.channel_id, 1)
            if known_joined_seq > at.joined_seq:
                # They came in (again) since this was read: what is held begins with that.
                at = Standing(at.channel_id, known_joined_seq, known_joined_seq - 1, None)
            if at.joined_seq > 1:
                feed.joined_seqs[at.channel_id] = at.joined_seq
            if at.left_seq is not None:
                # Only the entry that says so, unless this device knows it.
                known = max(self._after.get(at.channel_id, 0), device.get(at.channel_id, 0))
                feed.positions[at.channel_id] = max(at.left_seq - 1, min(known, at.left_seq))
                if known >= at.left_seq:
                    feed.left[at.channel_id] = at.left_seq
                continue
            start = self._after.get(at.channel_id, device.get(at.channel_id, at.joined_seq - 1))
            named = at.channel_id in self._after
            if not named:
                start = max(start, at.joined_seq - 1)
            wrong = start > at.last_seq or start < at.joined_seq - 1
            if wrong or at.last_seq - start > self._limits.replay_entries:
                start = at.last_seq
                yield at.channel_id, at.last_seq
            feed.positions[at.channel_id] = start


class PresenceSource(_Source):
    """Nothing is missed: the watch gives what is, as the first change."""

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        feed.go_live()
        missed: tuple[Occurrence, ...] = ()
        for occurrence in missed:
            yield occurrence


class ChannelSource(_Source):
    def __init__(self, database: Database, hub: Hub, node: Node, limits: Limits) -> None:
        super().__init__(database, hub, node, limits)
        self._last_seq = 0

    async def begin(self, feed: Feed, after_seq: int | None) -> None:
        """Set the position.

        Raises:
            Refused, TooFarBehind: as `Live.follow_messages`.
        """
        assert feed.only_channel is not None
        at = await self._read_standing(feed, feed.only_channel)
        if at is None or at.left_seq is not None:
            raise not_found("There is no such channel.", "channelId")
        start = at.last_seq if after_seq is None else max(after_seq, at.joined_seq - 1)
        if start > at.last_seq or at.last_seq - start > self._limits.replay_entries:
            raise TooFarBehind
        if at.joined_seq > 1:
            feed.joined_seqs[at.channel_id] = at.joined_seq
        feed.positions[at.channel_id] = start
        self._last_seq = at.last_seq

    async def _read_standing(self, feed: Feed, channel_id: str) -> Standing | None:
        while True:
            found = await list_standings(self._database, feed.user_id, [channel_id])
            # Else they came in (again) since it was read.
            if not found or found[0].joined_seq >= feed.joined_seqs.get(channel_id, 1):
                return found[0] if found else None

    async def replay(self, feed: Feed) -> AsyncIterator[Occurrence]:
        assert feed.only_channel is not None
        async for occurrence in self._read(feed, feed.only_channel, self._last_seq):
            yield occurrence
        async for occurrence in self._read_what_is_lacking(feed):
            yield occurrence
