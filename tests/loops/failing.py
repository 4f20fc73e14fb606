"""Collaborators that fail once with an error that nobody thought of, and what loops are seen by."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis.asyncio import Redis

from models.background import Background, Loops
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from subscriptions.scripts import read_script
from tests.waiting import eventually

Value = TypeVar("Value")


@dataclass
class Failing:
    """Lets `before` calls pass, fails the next one, and counts those that come after it; with
    `only_in`, only those of that loop.
    """

    before: int = 0
    only_in: str | None = None
    error: BaseException = field(default_factory=lambda: ValueError("a bug"))
    calls: int = 0
    failed: bool = False
    succeeded: int = 0

    def call(self) -> None:
        task = asyncio.current_task()
        if self.only_in is not None and (task is None or task.get_name() != self.only_in):
            return
        self.calls += 1
        if not self.failed and self.calls > self.before:
            self.failed = True
            raise self.error
        self.succeeded += self.failed

    async def giving(self, value: Value) -> Value:
        """Return what a stand-in's method does: nothing, but the failing."""
        await asyncio.sleep(0)
        self.call()
        return value


class FailingDatabase(Database):
    """The real one, but for the failing."""

    def __init__(self, database: Database, failing: Failing) -> None:
        super().__init__(database.pool, database.url)
        self._failing = failing

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        self._failing.call()
        async with super().connection() as connection:
            yield connection


class FailingValkey(Redis):
    """The real one, but that calls which `fails` picks out are failing. Set both before use."""

    failing: Failing
    fails: Callable[[Sequence[object]], bool]

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.fails(args):
            self.failing.call()
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        pipeline = super().pipeline(transaction, shard_hint)
        execute = pipeline.execute

        async def fail_or_execute(raise_on_error: bool = True) -> Any:
            if any(self.fails(args) for args, _ in pipeline.command_stack):
                self.failing.call()
            return await execute(raise_on_error)

        pipeline.execute = fail_or_execute  # type: ignore[method-assign]
        return pipeline

    def pubsub(self, **options: Any) -> Any:
        if self.fails(["PUBSUB"]):
            self.failing.call()
        return super().pubsub(**options)


def runs(*names: str, last: object = None) -> Callable[[Sequence[object]], bool]:
    """Picks out the calls of a script, with that last argument if one is named."""
    sha = hashlib.sha1(read_script(*names).encode(), usedforsecurity=False).hexdigest()

    def picks(args: Sequence[object]) -> bool:
        return args[0] == "EVALSHA" and args[1] == sha and last in (None, args[-1])

    return picks


@dataclass
class Ground:
    """What the cases are made of."""

    database: Database
    valkey_url: str
    loops: Loops
    limits: Limits
    failing: Failing
    background: Background

    @property
    def failing_database(self) -> Database:
        return FailingDatabase(self.database, self.failing)

    @asynccontextmanager
    async def failing_valkey(
        self, fails: Callable[[Sequence[object]], bool]
    ) -> AsyncIterator[FailingValkey]:
        client: Any = FailingValkey.from_url(self.valkey_url, socket_timeout=2)
        client.failing, client.fails = self.failing, fails
        try:
            yield client
        finally:
            await client.aclose()


# What makes the loop have something to do.
Trigger = Callable[[], Awaitable[object]]
Case = Callable[[Ground], AbstractAsyncContextManager[Trigger]]
Cases = Mapping[str, Case]


async def nothing() -> None:
    """For a loop that works by itself."""


async def goes_on(name: str, ground: Ground, case: Case) -> None:
    """The loop's work fails once, is counted, and is done again."""
    async with case(ground) as trigger:

        async def was_done_again() -> bool:
            await trigger()
            return ground.failing.succeeded > 0

        await eventually(was_done_again)
    assert ground.loops.begun[name] >= 1
    assert ground.loops.failures[name, "unexpected"] == 1
    assert ground.loops.can_go_on
