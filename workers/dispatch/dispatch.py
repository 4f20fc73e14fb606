"""Dispatch: after a commit, serve this node's own feeds at once, then tell the nodes that hold the
other recipients, and queue push for those whom none holds.

At least once: what is not settled here within 2 s is dispatched again by a relay
(workers/dispatch/relay.py), by the same code. One look-up and one publish a node carry everything
that waits.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from models.background import Background, Loops
from models.deadlines import within
from models.log.entries import Batch, Entry, hydrate_entries
from models.log.outbox import settle_batches
from models.postgresql.database import Database
from models.unloaded import UNLOADED
from subscriptions.hub import Hub
from subscriptions.nodes.grouping import group_by_node
from subscriptions.nodes.node import Node
from subscriptions.scripts import AWAY
from workers.push.queueing import PushQueue
from workers.push.recipients import list_changes, list_wants

logger = logging.getLogger("parley.dispatch")

# Less than what the relay waits for, also when a round takes long.
SETTLE_EVERY_S = 0.5
# Batches of one round; what waits beyond is the next round.
ROUND_BATCHES = 64
# Between rounds that fail one after the other.
LONGEST_PAUSE_S = 0.1
# How long a round of the relay waits until all that is committed has been dispatched: under a load
# that never ends, the relay is slow and does not stand still.
GIVE_WAY_S = 0.1
# Beyond this the relay takes over: memory is bounded, and nothing is lost.
QUEUED_BATCHES = 2000


def _recipients_of(batch: Batch) -> list[str]:
    """Return the ids of all users that get an entry of the batch, some of them more than once."""
    return [user for to in batch.recipients.values() for user in to.user_ids]


def _lacks_something(entry: Entry) -> bool:
    message = entry.message
    return entry.is_notice or any(
        each is UNLOADED for each in (message.reply_to, message.sender, message.media)
    )


class Dispatcher:
    def __init__(
        self,
        database: Database,
        hub: Hub,
        node: Node,
        pushes: PushQueue,
        *,
        loops: Loops | None = None,
    ) -> None:
        self._database = database
        self._hub = hub
        self._node = node
        self._pushes = pushes
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(QUEUED_BATCHES)
        self._settled: list[tuple[str, str]] = []
        self._background = Background(loops)

    def start(self) -> None:
        self._background.forever(
            "dispatch", self._dispatch_waiting, away=AWAY, longest_pause_s=LONGEST_PAUSE_S
        )
        self._background.every("settle", SETTLE_EVERY_S, self._settle)

    async def close(self) -> None:
        """Dispatch and settle what waits, for a moment; the relays of others take the rest."""
        try:
            await within(self._queue.join(), 2)
        except TimeoutError:
            logger.warning("Some batches are left to other processes' relays.")
        await self._background.close()
        await self.settle_all()

    def waiting(self) -> int:
        """Return how many batches wait to be dispatched."""
        return self._queue.qsize()

    async def give_way(self) -> None:
        """Wait until what was committed has been dispatched, up to `GIVE_WAY_S`."""
        with contextlib.suppress(TimeoutError):
            await within(self._queue.join(), GIVE_WAY_S)

    def on_commit(self, batch: Batch) -> None:
        """Take a stored batch from the committer, which calls this in commit order."""
        if any(_lacks_something(entry) for entry in batch.entries):
            self._background.spawn("hydrate", self._hydrate(batch))
        else:
            self._pass_on(batch)

    async def _hydrate(self, batch: Batch) -> None:
        """Read what is replied to after the commit, so that it is never older than the entry. What
        cannot be read is left to the relay.
        """
        await hydrate_entries(self._database, batch.entries)
        self._pass_on(batch)

    def _pass_on(self, batch: Batch) -> None:
        self._hub.offer(batch)
        if not self._queue.full():
            self._queue.put_nowait(batch)

    async def _dispatch_waiting(self) -> None:
        """Dispatch what waits, as one round. What fails is left to the relay."""
        batches = [await self._queue.get()]
        while not self._queue.empty() and len(batches) < ROUND_BATCHES:
            batches.append(self._queue.get_nowait())
        try:
            await self.dispatch(batches)
        finally:
            for _ in batches:
                self._queue.task_done()

    async def dispatch(self, batches: Sequence[Batch]) -> bool:
        """Tell the other nodes, queue pushes, and note what is settled once that is done; return
        False if a node was not there. Raises what `AWAY` lists.
        """
        items = [(batch, _recipients_of(batch)) for batch in batches]
        user_ids = list({user for _, users in items for user in users})
        nodes_of = await self._node.look_up(user_ids)
        by_node = group_by_node(items, nodes_of, own_id=self._node.id)
        absent = await self._node.publish(by_node)
        unreached = {batch.outbox_id for node in absent for batch in by_node[node]}
        self._push(
            batches,
            {user for user in user_ids if not nodes_of[user] and not self._hub.feeds_of(user)},
            [(b.outbox_channel_id, b.outbox_id) for b in batches if b.outbox_id not in unreached],
        )
        return not unreached

    def _push(
        self, batches: Sequence[Batch], away: set[str], settled: list[tuple[str, str]]
    ) -> None:
        self._pushes.update(list_changes(batches))
        wants = list_wants(batches, away) if away else []
        if wants:
            self._pushes.want(wants, lambda: self._settled.extend(settled))
        else:
            self._settled += settled

    async def settle_all(self) -> None:
        """Queue the pushes that wait, and write what is settled then. Raises nothing: what fails
        is dispatched again by a relay.
        """
        await self._pushes.queue_now()
        try:
            await self._settle()
        except Exception as error:
            self._background.note("settle", error)

    async def _settle(self) -> None:
        """Write what was settled since the last time. What cannot be written is dispatched again
        by a relay.

        Raises:
            Refused: UNAVAILABLE.
        """
        keys, self._settled = self._settled, []
        if keys:
            await settle_batches(self._database, keys)
