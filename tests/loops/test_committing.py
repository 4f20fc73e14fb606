"""The committer's loops go on after an error that nobody thought of, and leave no caller without an
answer.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from models.background import Loops
from models.log.group_commit.batch_writer import Busy
from models.log.group_commit.batching import GroupCommit
from models.refusals import Refused
from tests.loops.failing import Cases, Failing, Ground, Trigger, goes_on


class Numbers:
    """Writes numbers to nowhere. An odd one's row is held by somebody else at first."""

    def __init__(self, failing: Failing) -> None:
        self._failing = failing
        self.written: list[int] = []

    def lane(self, item: int) -> Hashable:
        return item

    def lock_key(self, item: int) -> Hashable:
        return item

    def identity(self, item: int) -> Hashable:
        self._failing.call()
        return item

    def absorb(self, leader: int, follower: int) -> None:
        return None

    def follow(self, leader: int, result: int, follower: int) -> int:
        return result

    def weight(self, item: int) -> int:
        return 1

    def note_again(self, item: int) -> None:
        return None

    async def write(
        self, connection: object, items: Sequence[int], *, wait: bool
    ) -> Sequence[int | Refused | Busy]:
        if not wait and items[0] % 2:
            return [Busy.BUSY for _ in items]
        self.written += items
        return items


class NoConnection:
    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None:
        return None


async def connect() -> "asyncpg.Connection[asyncpg.Record]":
    return cast("asyncpg.Connection[asyncpg.Record]", NoConnection())


@asynccontextmanager
async def lane(
    failing: Failing, loops: Loops, name: str = "commit"
) -> AsyncIterator[GroupCommit[int, int]]:
    part = GroupCommit[int, int](
        Numbers(failing), connect, name=name, loops=loops, waiting_connections=1
    )
    part.start()
    yield part
    await part.close()


@asynccontextmanager
async def committing(ground: Ground, name: str, item: int) -> AsyncIterator[Trigger]:
    async with lane(ground.failing, ground.loops, name) as part:

        async def submit() -> None:
            async with asyncio.timeout(60):
                await asyncio.gather(part.submit(item), return_exceptions=True)

        yield submit


def of(name: str, *, waits: bool = False) -> Any:
    def case(ground: Ground) -> Any:
        if waits:
            # The first look at an item is the first side's.
            ground.failing.before = 1
        return committing(ground, name, 1 if waits else 2)

    return case


CASES: Cases = {
    "commit_sends": of("commit_sends"),
    "commit_moves": of("commit_moves"),
    "commit_device_positions": of("commit_device_positions"),
    "look_at_senders": of("look_at_senders"),
    "commit_sends_waiting": of("commit_sends", waits=True),
    "commit_moves_waiting": of("commit_moves", waits=True),
    "commit_device_positions_waiting": of("commit_device_positions", waits=True),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_loop_goes_on(name: str, ground: Ground) -> None:
    await goes_on(name, ground, CASES[name])


@pytest.mark.parametrize("item", [1, 2])
async def test_who_handed_in_what_cannot_be_written_is_told(item: int) -> None:
    failing = Failing(before=1 if item % 2 else 0)
    async with lane(failing, Loops()) as part, asyncio.timeout(60):
        with pytest.raises(ValueError, match="a bug"):
            await part.submit(item)

        assert await part.submit(item) == item


async def test_who_waits_when_the_lane_is_closed_is_told() -> None:
    part = GroupCommit[int, int](Numbers(Failing(failed=True)), connect, deadline_s=0.05)
    waiting = part.submit(2)

    await part.close()

    with pytest.raises(Refused, match="try again"):
        await waiting
