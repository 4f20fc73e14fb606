"""Group commit: all items that wait are written by one call, in the order in which they came.

A `GroupCommit` has one batch under way at a time, over a connection of its own; what arrives
meanwhile is the next batch. Where the database is distributed, it has several under way, each of
one lane, that is of one channel: an order of its own, and rows on one server. An item whose row
somebody else holds is put aside, and later items for that row wait behind it
(models/log/group_commit/held_rows.py): their order holds, and a held row holds up nobody else.
After a lost connection or a shutdown of the database the whole batch goes again, because it may
have been committed; writers make a repeat harmless.
"""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

import asyncpg

from models.background import Background, Loops
from models.log.group_commit.batch_writer import BatchWriter, Busy
from models.log.group_commit.connection_slot import Connect, ConnectionSlot
from models.log.group_commit.held_rows import HeldRows
from models.log.group_commit.lanes import Lanes
from models.log.group_commit.pending import Pending
from models.log.group_commit.retries import pause_before_retry
from models.refusals import Refused, unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

# From when an item is handed in to its answer. Less than a request may take, so that who waits in
# vain is told why.
COMMIT_DEADLINE_S = 4.5
# Between rounds that fail by a fault of ours, one after the other.
LONGEST_PAUSE_S = 0.1


class GroupCommit(Generic[Item, Result]):
    """Writes one kind of item, batch after batch."""

    def __init__(
        self,
        writer: BatchWriter[Item, Result],
        connect: Connect,
        *,
        batch_items: int = 256,
        batch_weight: int = 4000,
        queue_items: int = 20_000,
        deadline_s: float = COMMIT_DEADLINE_S,
        waiting_connections: int = 2,
        lane_connections: int = 0,
        name: str = "commit",
        loops: Loops | None = None,
    ) -> None:
        """`lane_connections`: how many batches are under way, each of one lane; 0 for one batch at
        a time, of all lanes.
        """
        self._writer = writer
        self._by_lane = lane_connections > 0
        self._slots = [ConnectionSlot(connect) for _ in range(lane_connections or 1)]
        self._waiting_slots = [ConnectionSlot(connect) for _ in range(waiting_connections)]
        self._batch_items = batch_items
        self._batch_weight = batch_weight
        self._queue_items = queue_items
        self.deadline_s = deadline_s
        self._queue = Lanes[Item, Result]()
        self._held = HeldRows(writer, batch_items)
        # Whatever is not answered yet; each leaves by itself, at its deadline at the latest.
        self._open: set[Pending[Item, Result]] = set()
        self._name = name
        self._background = Background(loops)

    def start(self) -> None:
        """Start the loops: those that write what is new, and those that wait for held rows."""
        for slot in self._slots:
            self._loop(self._name, functools.partial(self._write_next, slot))
        for slot in self._waiting_slots:
            self._loop(f"{self._name}_waiting", functools.partial(self._drain_next, slot))

    def _loop(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        self._background.forever(name, step, longest_pause_s=LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Finish what was handed in, within its deadline, then stop; refuse the rest with
        UNAVAILABLE.
        """
        open_answers = [p.answer for p in self._open if not p.answer.done()]
        if open_answers:
            await asyncio.wait(open_answers, timeout=self.deadline_s)
        await self._background.close()
        for pending in tuple(self._open):
            pending.resolve(unavailable())
        for slot in (*self._slots, *self._waiting_slots):
            slot.drop()

    def submit(self, item: Item, *, deadline: float | None = None) -> "asyncio.Future[Result]":
        """Hand in an item; the future answers after the commit.

        `deadline` is by the loop's clock, for an item that waited before it came here. The future
        raises Refused: the writer's refusal, or UNAVAILABLE past the deadline or for a full queue.
        """
        loop = asyncio.get_running_loop()
        if deadline is None:
            deadline = loop.time() + self.deadline_s
        answer: asyncio.Future[Result] = loop.create_future()
        pending = Pending(item, answer, deadline, self._open)
        if len(self._queue) >= self._queue_items:
            pending.resolve(
                unavailable("The server has more to write than it can hold; try again.")
            )
        else:
            self._open.add(pending)
            self._enqueue(pending)
        return answer

    def _enqueue(self, pending: Pending[Item, Result]) -> None:
        self._queue.put(self._writer.lane(pending.item) if self._by_lane else None, pending)

    async def _write_next(self, slot: ConnectionSlot) -> None:
        """Write one batch of what is queued. Whatever goes wrong, its callers get an answer."""
        lane = await self._queue.next_turn()
        # Taken from the queue, and not yet answered or put aside.
        at_hand: list[Pending[Item, Result]] = []
        try:
            if batch := self._take(lane, at_hand):
                await self._commit(batch, slot)
        except (Exception, asyncio.CancelledError) as error:
            self._fail(at_hand, error if isinstance(error, Exception) else unavailable())
            raise
        finally:
            self._queue.end_turn(lane)

    def _fail(self, at_hand: Sequence[Pending[Item, Result]], error: Exception) -> None:
        """Fail what was taken from the queue and is in no queue again."""
        later = self._held.list_pending() | self._queue.list_pending()
        for pending in at_hand:
            if pending not in later:
                pending.fail(error)

    def _take(
        self, lane: Hashable, at_hand: list[Pending[Item, Result]]
    ) -> list[Pending[Item, Result]]:
        """Take the next batch from the queue, in order: of equal items only the first, and nothing
        that has to wait for a held row. All that is taken goes into `at_hand`.
        """
        leaders: OrderedDict[Hashable, Pending[Item, Result]] = OrderedDict()
        weight = 0
        while len(leaders) < self._batch_items and weight < self._batch_weight:
            if (pending := self._queue.pop(lane)) is None:
                break
            at_hand.append(pending)
            if self._held.join(pending):
                continue
            leader = leaders.setdefault(self._writer.identity(pending.item), pending)
            if leader is not pending:
                self._writer.absorb(leader.item, pending.item)
                leader.followers.append(pending)
            else:
                weight += self._writer.weight(pending.item)
        return list(leaders.values())

    async def _commit(self, batch: list[Pending[Item, Result]], slot: ConnectionSlot) -> None:
        """Write a batch until it is answered. Where its data are at fault, write each item alone,
        so that only the faulty one fails.
        """
        attempt = 0
        while batch := self._expire(batch):
            try:
                connection = await slot.get()
                results = await self._writer.write(connection, [p.item for p in batch], wait=False)
            except Exception as error:
                if await pause_before_retry(slot, error, attempt):
                    attempt += 1
                    self._note_again(batch)
                elif len(batch) == 1:
                    batch[0].fail(error)
                    return
                else:
                    for pending in batch:
                        await self._commit([pending], slot)
                    return
                continue
            self._answer(batch, results)
            return

    def _note_again(self, batch: Sequence[Pending[Item, Result]]) -> None:
        for pending in batch:
            self._writer.note_again(pending.item)

    def _answer(
        self, batch: Sequence[Pending[Item, Result]], results: Sequence[Result | Refused | Busy]
    ) -> None:
        for pending, result in zip(batch, results, strict=True):
            if isinstance(result, Busy):
                self._held.put_aside(pending)
                continue
            pending.resolve(result)
            self._answer_followers(pending, result)

    def _answer_followers(self, leader: Pending[Item, Result], result: Result | Refused) -> None:
        for follower in leader.followers:
            following = (
                None
                if isinstance(result, Refused)
                else self._writer.follow(leader.item, result, follower.item)
            )
            if following is None:
                self._enqueue(follower)
            else:
                follower.resolve(following)
        leader.followers = []

    async def _drain_next(self, slot: ConnectionSlot) -> None:
        """Write what waits for the row whose turn it is, up to a batch."""
        key = await self._held.next_turn()
        try:
            await self._drain(key, slot)
        finally:
            # Whatever happened: else later items for the row would wait for ever.
            self._held.end_turn(key)

    async def _drain(self, key: Hashable, slot: ConnectionSlot) -> None:
        batch = self._expire(self._held.take(key))
        try:
            if batch:
                connection = await slot.get()
                results = await self._writer.write(connection, [p.item for p in batch], wait=True)
                self._answer(batch, results)
            slot.failures = 0
        except asyncpg.LockNotAvailableError:
            self._held.put_back(key, batch)
        except Exception as error:
            if await pause_before_retry(slot, error, slot.failures):
                slot.failures += 1
                self._note_again(batch)
                self._held.put_back(key, batch)
            else:
                for pending in batch:
                    pending.fail(error)

    def _expire(self, batch: list[Pending[Item, Result]]) -> list[Pending[Item, Result]]:
        """Refuse what is past its deadline with UNAVAILABLE; return the rest."""
        now = asyncio.get_running_loop().time()
        kept = []
        for pending in batch:
            if pending.deadline > now:
                kept.append(pending)
            else:
                pending.resolve(unavailable())
                self._queue_followers(pending)
        return kept

    def _queue_followers(self, leader: Pending[Item, Result]) -> None:
        """Have followers that got no answer written on their own."""
        for follower in leader.followers:
            self._enqueue(follower)
        leader.followers = []
