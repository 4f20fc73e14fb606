"""Group commit: everything that waits is written by one call, in the order it came.

A lane has one batch under way at a time, over one connection of its own; what arrives meanwhile is
the next batch. An item whose row somebody else holds moves to the waiting side, and later items for
that row join behind it until it is drained: order holds, and a stuck row holds up nobody else.
After a lost connection or a shutdown the whole batch goes again, because the commit may have
happened; writers make a repeat harmless.
"""

import asyncio
import functools
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeVar

import asyncpg

from models.background import Background, Loops
from models.database import CONNECTION_ERRORS, Connection
from models.deadlines import within
from models.refusals import Refused, unavailable

logger = logging.getLogger("parley.commit")

Item = TypeVar("Item")
ItemIn = TypeVar("ItemIn", contravariant=True)
Result = TypeVar("Result")

# Between rounds that fail by a fault of ours, one after the other.
LONGEST_PAUSE_S = 0.1
# SQLSTATE classes after which the whole batch goes again (connection, read-only, rollback,
# resources, lock, operator).
RETRIED_CLASSES = ("08", "25", "40", "53", "55", "57")


class Busy(Enum):
    """Somebody else holds the row."""

    BUSY = "busy"


class Writer(Protocol[ItemIn, Result]):
    """What one kind of item knows: how to write a batch, and what to make of two items that are the
    same.
    """

    def lock_key(self, item: ItemIn) -> Hashable:
        """The row that writing this item locks."""

    def identity(self, item: ItemIn) -> Hashable:
        """Items of equal identity are written once a batch; the later ones follow the first."""

    def absorb(self, leader: ItemIn, follower: ItemIn) -> None:
        """Let the leader also do what the follower asks, where they can be one."""

    def follow(self, leader: ItemIn, result: Result, follower: ItemIn) -> Result | Refused | None:
        """What the follower gets when the leader got `result`; None to write it on its own."""

    def weight(self, item: ItemIn) -> int:
        """How many recipients it has, roughly."""

    def note_again(self, item: ItemIn) -> None:
        """The item goes again, though it may have been written: the answer was lost."""

    async def write(
        self, connection: Connection, items: Sequence[ItemIn], *, wait: bool
    ) -> Sequence[Result | Refused | Busy]:
        """Write all in one transaction; answers are in the order of the items."""


@dataclass(slots=True, eq=False)
class _Pending(Generic[Item, Result]):
    item: Item
    answer: "asyncio.Future[Result]"
    deadline: float
    followers: "list[_Pending[Item, Result]]" = field(default_factory=list)

    def resolve(self, result: Result | Refused) -> None:
        if self.answer.done():
            return
        if isinstance(result, Refused):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class _Slot:
    """One connection of a lane's own, opened again when it broke."""

    def __init__(
        self, connect: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]
    ) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        # Calls that failed, one after the other, by no fault of what they wrote.
        self.failures = 0

    async def get(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await within(self._connect(), 3)
        return self._connection

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


class GroupCommit(Generic[Item, Result]):
    """One lane of one kind of item.

    `submit` answers after the commit, or raises Refused: the writer's, or UNAVAILABLE past the
    deadline.
    """

    def __init__(
        self,
        writer: Writer[Item, Result],
        connect: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]],
        *,
        batch_items: int = 256,
        batch_weight: int = 4000,
        queue_items: int = 20_000,
        deadline_s: float = 4.5,
        waiting_connections: int = 2,
        name: str = "commit",
        loops: Loops | None = None,
    ) -> None:
        self._writer = writer
        self._slot = _Slot(connect)
        self._waiting_slots = [_Slot(connect) for _ in range(waiting_connections)]
        self._batch_items = batch_items
        self._batch_weight = batch_weight
        self._queue_items = queue_items
        self.deadline_s = deadline_s
        self._queue: deque[_Pending[Item, Result]] = deque()
        self._wake = asyncio.Event()
        # Rows that others hold, with what waits for each.
        self._waiting: dict[Hashable, deque[_Pending[Item, Result]]] = {}
        self._turns: asyncio.Queue[Hashable] = asyncio.Queue()
        # Whatever is not answered yet; each leaves by itself, at its deadline at the latest.
        self._open: set[_Pending[Item, Result]] = set()
        # Taken from the queue, and not yet answered or put aside.
        self._at_hand: list[_Pending[Item, Result]] = []
        self._name = name
        self._background = Background(loops)

    def start(self) -> None:
        self._background.forever(self._name, self._write_next, longest_pause_s=LONGEST_PAUSE_S)
        for slot in self._waiting_slots:
            self._background.forever(
                f"{self._name}_waiting",
                functools.partial(self._drain_next, slot),
                longest_pause_s=LONGEST_PAUSE_S,
            )

    async def close(self) -> None:
        """Finish what was handed in (within its deadline), then stop. What is left gets
        UNAVAILABLE.
        """
        open_answers = [p.answer for p in self._open if not p.answer.done()]
        if open_answers:
            await asyncio.wait(open_answers, timeout=self.deadline_s)
        await self._background.close()
        for pending in tuple(self._open):
            pending.resolve(unavailable())
        for slot in [self._slot, *self._waiting_slots]:
            slot.drop()

    def submit(self, item: Item, *, deadline: float | None = None) -> "asyncio.Future[Result]":
        """`deadline` is by the loop's clock: that of an item which waited before it came here."""
        loop = asyncio.get_running_loop()
        if deadline is None:
            deadline = loop.time() + self.deadline_s
        pending = _Pending[Item, Result](item, loop.create_future(), deadline)
        if len(self._queue) >= self._queue_items:
            pending.resolve(
                unavailable("The server has more to write than it can hold; try again.")
            )
        else:
            self._open.add(pending)
            pending.answer.add_done_callback(lambda _: self._open.discard(pending))
            self._queue.append(pending)
            self._wake.set()
        return pending.answer

    async def _write_next(self) -> None:
        """Write one batch of what waits. Whatever goes wrong, its callers get an answer."""
        if not self._queue:
            self._wake.clear()
            await self._wake.wait()
        try:
            if batch := self._take():
                await self._commit(batch)
        except (Exception, asyncio.CancelledError) as error:
            self._fail_at_hand(error if isinstance(error, Exception) else unavailable())
            raise
        finally:
            self._at_hand.clear()

    def _fail_at_hand(self, error: Exception) -> None:
        later = {pending for waiting in self._waiting.values() for pending in waiting}
        later.update(self._queue)
        for pending in self._at_hand:
            if pending not in later and not pending.answer.done():
                pending.answer.set_exception(error)

    def _take(self) -> list[_Pending[Item, Result]]:
        """The next batch: in order, each identity once, nothing that has to join a waiting row."""
        leaders: OrderedDict[Hashable, _Pending[Item, Result]] = OrderedDict()
        weight = 0
        while self._queue and len(leaders) < self._batch_items and weight < self._batch_weight:
            pending = self._queue.popleft()
            self._at_hand.append(pending)
            waiting = self._waiting.get(self._writer.lock_key(pending.item))
            if waiting is not None:
                waiting.append(pending)
                continue
            leader = leaders.setdefault(self._writer.identity(pending.item), pending)
            if leader is not pending:
                self._writer.absorb(leader.item, pending.item)
                leader.followers.append(pending)
            else:
                weight += self._writer.weight(pending.item)
        return list(leaders.values())

    async def _commit(self, batch: list[_Pending[Item, Result]]) -> None:
        attempt = 0
        while batch := self._expire(batch):
            try:
                connection = await self._slot.get()
                results = await self._writer.write(connection, [p.item for p in batch], wait=False)
            except Exception as error:
                if await self._retry(error, self._slot, attempt):
                    attempt += 1
                    self._note_again(batch)
                elif len(batch) == 1:
                    self._fail(batch[0], error)
                    return
                else:
                    for pending in batch:
                        await self._commit([pending])
                    return
                continue
            self._answer(batch, results)
            return

    async def _retry(self, error: Exception, slot: _Slot, attempt: int) -> bool:
        """Whether the batch goes again, after a pause; False for an error of its data."""
        state = getattr(error, "sqlstate", None) or ""
        if isinstance(error, CONNECTION_ERRORS):
            slot.drop()
        elif not state.startswith(RETRIED_CLASSES):
            return False
        logger.warning("A batch goes again after %s %s.", type(error).__name__, state)
        await asyncio.sleep(min(0.5, 0.01 * 2**attempt) * random.uniform(0.5, 1))
        return True

    def _note_again(self, batch: Sequence[_Pending[Item, Result]]) -> None:
        for pending in batch:
            self._writer.note_again(pending.item)

    def _answer(
        self, batch: Sequence[_Pending[Item, Result]], results: Sequence[Result | Refused | Busy]
    ) -> None:
        for pending, result in zip(batch, results, strict=True):
            if isinstance(result, Busy):
                self._put_aside(pending)
                continue
            pending.resolve(result)
            self._answer_followers(pending, result)

    def _answer_followers(self, leader: _Pending[Item, Result], result: Result | Refused) -> None:
        for follower in leader.followers:
            following = (
                None
                if isinstance(result, Refused)
                else self._writer.follow(leader.item, result, follower.item)
            )
            if following is None:
                self._queue.append(follower)
                self._wake.set()
            else:
                follower.resolve(following)
        leader.followers = []

    def _put_aside(self, pending: _Pending[Item, Result]) -> None:
        key = self._writer.lock_key(pending.item)
        if key not in self._waiting:
            self._waiting[key] = deque()
            self._turns.put_nowait(key)
        self._waiting[key].append(pending)
        self._waiting[key].extend(pending.followers)
        pending.followers = []

    async def _drain_next(self, slot: _Slot) -> None:
        """Take the stuck rows in turn, one a call, until each is drained."""
        key = await self._turns.get()
        try:
            await self._drain(key, slot)
        finally:
            # Its turn comes again whatever happened, else later items for it would wait for ever.
            if self._waiting[key]:
                self._turns.put_nowait(key)
            else:
                del self._waiting[key]

    async def _drain(self, key: Hashable, slot: _Slot) -> None:
        batch = self._expire(self._take_waiting(key))
        try:
            if batch:
                connection = await slot.get()
                results = await self._writer.write(connection, [p.item for p in batch], wait=True)
                self._answer(batch, results)
            slot.failures = 0
        except asyncpg.LockNotAvailableError:
            self._waiting[key].extendleft(reversed(batch))
        except Exception as error:
            if await self._retry(error, slot, slot.failures):
                slot.failures += 1
                self._note_again(batch)
                self._waiting[key].extendleft(reversed(batch))
            else:
                for pending in batch:
                    self._fail(pending, error)

    def _take_waiting(self, key: Hashable) -> list[_Pending[Item, Result]]:
        """What waits for one row, up to a batch; of each identity the first, the others stay
        behind.
        """
        waiting = self._waiting[key]
        batch: OrderedDict[Hashable, _Pending[Item, Result]] = OrderedDict()
        later: list[_Pending[Item, Result]] = []
        while waiting and len(batch) < self._batch_items:
            pending = waiting.popleft()
            try:
                identity = self._writer.identity(pending.item)
            except Exception as error:
                waiting.extendleft(reversed([*batch.values(), *later]))
                self._fail(pending, error)
                raise
            if batch.setdefault(identity, pending) is not pending:
                later.append(pending)
        waiting.extendleft(reversed(later))
        return list(batch.values())

    def _expire(self, batch: list[_Pending[Item, Result]]) -> list[_Pending[Item, Result]]:
        now = asyncio.get_running_loop().time()
        kept = []
        for pending in batch:
            if pending.deadline > now:
                kept.append(pending)
            else:
                pending.resolve(unavailable())
                self._answer_expired_followers(pending)
        return kept

    def _answer_expired_followers(self, leader: _Pending[Item, Result]) -> None:
        for follower in leader.followers:
            self._queue.append(follower)
            self._wake.set()
        leader.followers = []

    def _fail(self, pending: _Pending[Item, Result], error: Exception) -> None:
        """An error of this item's own data: its caller gets it, masked at the edge."""
        if not pending.answer.done():
            pending.answer.set_exception(error)
        self._answer_expired_followers(pending)
