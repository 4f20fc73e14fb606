"""The signaller: carries what has no place in a log to the open streams of those it concerns.

Own streams are served at once, others by one look-up and one publish a node for all that waits. A
signal is a hint: one that cannot be delivered is dropped, and clients fetch again after a repair.
Where a signal stands for a value (the viewer's own state), the node that receives it reads the
value. Receipts are paced here too, since a member may acknowledge on several nodes.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from models.background import Background, Loops
from models.log.events import Occurrence, ReceiptUpdated, TypingUpdated
from models.log.signals import (
    ReceiptMoved,
    Signalled,
    Typed,
    ViewerChanged,
    ViewerChannelChanged,
)
from subscriptions.hub import Hub
from subscriptions.nodes.grouping import group_by_node
from subscriptions.nodes.node import Node
from subscriptions.pacing import Pacer
from subscriptions.receipts import RECEIPTS_EVERY_S
from subscriptions.scripts import AWAY
from subscriptions.viewer_states import ViewerStates

# Beyond this, signals are dropped: they are hints, and memory is bounded.
WAITING_SIGNALS = 10_000
SIGNALS_AT_ONCE = 500
# Between rounds that fail one after the other.
LONGEST_PAUSE_S = 0.1


class _Receipt(NamedTuple):
    """A receipt on its way to one author; the occurrence is shared with the others."""

    author_id: str
    signal: ReceiptMoved
    occurrence: Occurrence


class Signaller:
    """`on_viewer_changed` is told of each user whose profile, privacy, blocks or devices changed,
    wherever that was done; it must not raise.
    """

    def __init__(
        self,
        hub: Hub,
        states: ViewerStates,
        *,
        on_viewer_changed: Callable[[str], None],
        loops: Loops | None = None,
    ) -> None:
        self._hub = hub
        self._states = states
        self._on_viewer_changed = on_viewer_changed
        self._receipts = Pacer[tuple[str, str, str], _Receipt](
            self._put_receipts,
            _merge_receipts,
            every_s=RECEIPTS_EVERY_S,
            goes_on=_says_more,
        )
        self._waiting: asyncio.Queue[Signalled] = asyncio.Queue(WAITING_SIGNALS)
        self._background = Background(loops)

    def start(self, node: Node) -> None:
        self._background.forever(
            "signals",
            lambda: self._publish_waiting(node),
            away=AWAY,
            longest_pause_s=LONGEST_PAUSE_S,
        )

    async def close(self) -> None:
        self._receipts.close()
        await self._background.close()

    def announce(self, signals: Sequence[Signalled]) -> None:
        """Tell the streams of this node, and then the other nodes. Never waits."""
        self.receive(signals)
        for signal in signals:
            if self._waiting.full():
                return
            self._waiting.put_nowait(signal)

    def receive(self, signals: Sequence[Signalled]) -> None:
        """Give signals to this node's feeds."""
        for signalled in signals:
            user_ids = signalled.user_ids
            match signalled.signal:
                case ReceiptMoved() as signal:
                    self._pace(user_ids, signal)
                case Typed() as signal:
                    self._put(user_ids, signal)
                case ViewerChannelChanged(channel_id):
                    for user_id in user_ids:
                        self._states.want(user_id, channel_id)
                case ViewerChanged():
                    for user_id in user_ids:
                        self._on_viewer_changed(user_id)
                        self._states.want(user_id)

    def _put(self, user_ids: Sequence[str], signal: Typed) -> None:
        occurrence = Occurrence(
            TypingUpdated(
                signal.at,
                signal.channel_id,
                signal.user_id,
                signal.typing,
                signal.expires_at,
                signal.kind,
            ),
            {},
        )
        for user_id in user_ids:
            for feed in self._hub.feeds_of(user_id):
                feed.put_signal(signal, occurrence)

    def _pace(self, author_ids: Sequence[str], signal: ReceiptMoved) -> None:
        occurrence = _occurrence_of(signal)
        for author_id in author_ids:
            if self._hub.feeds_of(author_id):
                key = (signal.channel_id, signal.user_id, author_id)
                self._receipts.offer(key, _Receipt(author_id, signal, occurrence))

    def _put_receipts(self, receipts: list[_Receipt]) -> None:
        for author_id, signal, occurrence in receipts:
            for feed in self._hub.feeds_of(author_id):
                feed.put_signal(signal, occurrence)

    # ---------------------------------------------------------------- other nodes

    async def _publish_waiting(self, node: Node) -> None:
        """Publish what waits. What cannot be published is lost."""
        signals = [await self._waiting.get()]
        while not self._waiting.empty() and len(signals) < SIGNALS_AT_ONCE:
            signals.append(self._waiting.get_nowait())
        await self._publish_to_nodes(node, signals)

    async def _publish_to_nodes(self, node: Node, signals: Sequence[Signalled]) -> None:
        user_ids = list({user_id for s in signals for user_id in s.user_ids})
        nodes_of = await node.look_up(user_ids)
        items = [(signalled, signalled.user_ids) for signalled in signals]
        await node.publish_signals(group_by_node(items, nodes_of, own_id=node.id))


def _occurrence_of(signal: ReceiptMoved) -> Occurrence:
    return Occurrence(
        ReceiptUpdated(
            signal.at,
            signal.channel_id,
            signal.user_id,
            signal.delivered_seq,
            signal.read_seq,
            signal.kind,
        ),
        {},
    )


def _merge_receipts(first: _Receipt, then: _Receipt) -> _Receipt:
    """Take the farther positions, since two nodes may cross; none of reading once it is hidden."""
    one, other = first.signal, then.signal
    delivered_seq = max(one.delivered_seq, other.delivered_seq)
    read_seq = max(one.read_seq, other.read_seq) if other.read_seq else 0
    if (delivered_seq, read_seq) == (other.delivered_seq, other.read_seq):
        return then
    merged = msgspec.structs.replace(other, delivered_seq=delivered_seq, read_seq=read_seq)
    return _Receipt(then.author_id, merged, _occurrence_of(merged))


def _says_more(given: _Receipt, then: _Receipt) -> bool:
    """Return whether positions changed: what was overtaken by a receipt of another node is no
    news, and what hides reading is.
    """
    one, other = given.signal, then.signal
    return (one.delivered_seq, one.read_seq) != (other.delivered_seq, other.read_seq)
