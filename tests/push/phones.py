"""Phones that follow nothing, as a fake APNs sees them."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Self

from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.addresses import ApnsAddress, PushAddress, PushEndpointKind
from models.push.endpoints import set_endpoint
from tests.make import Person
from tests.push.fakes.apns import TOPIC, FakeApns
from tests.waiting import eventually
from workers.push.providers.pushes import ProviderAnswer, Push, ShowingProvider

# The check comes soon, so that tests need not wait for it.
LIMITS = Limits(
    push_look_s=0.5,
    push_check_s=1.5,
    # Nobody loses a view that a busy machine keeps waiting.
    push_claim_s=60.0,
    push_probe_s=0.4,
    push_recovery_s=1.0,
)

MakePhone = Callable[[Person], Awaitable["Phone"]]


class Phone:
    """A device with an endpoint, and what is on its screen."""

    def __init__(self, apple: FakeApns, token: str) -> None:
        self.apple = apple
        self.token = token

    @property
    def pushes(self) -> list[dict[str, Any]]:
        """Return what came, in order."""
        return [each.payload for each in self.apple.accepted if each.device == self.token]

    @property
    def shown(self) -> list[tuple[str | None, str | None]]:
        """Title and body of what came; of a removal, nothing."""
        alerts = [push["aps"].get("alert", {}) for push in self.pushes]
        return [(alert.get("title"), alert.get("body")) for alert in alerts]

    @property
    def screen(self) -> dict[str, str | None]:
        """Return what is on it, by thread: each push replaces the one before."""
        screen: dict[str, str | None] = {}
        for push in self.pushes:
            if push["action"] == "clear":
                screen.pop(push["thread"], None)
            else:
                screen[push["thread"]] = push["aps"]["alert"].get("body")
        return screen

    async def has(self, count: int, within_s: float = 60) -> list[tuple[str | None, str | None]]:
        """Return what came, once it is so much."""
        await eventually(lambda: len(self.pushes) >= count, within_s)
        assert len(self.pushes) == count
        return self.shown


class Gate:
    """A provider whose answers wait until it is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self._opened = asyncio.Event()
        self._provider: ShowingProvider | None = None

    def before(self, provider: ShowingProvider) -> Self:
        self._provider = provider
        return self

    def open(self) -> None:
        self._opened.set()

    @property
    def kind(self) -> PushEndpointKind:
        return self._get().kind

    @property
    def concurrency(self) -> int:
        return self._get().concurrency

    def gate(self, address: PushAddress) -> str:
        return self._get().gate(address)

    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer:
        answer = await self._get().send(address, push)
        self.waiting += 1
        await self._opened.wait()
        self.waiting -= 1
        return answer

    async def close(self) -> None:
        await self._get().close()

    def _get(self) -> ShowingProvider:
        assert self._provider is not None
        return self._provider


async def make_phone(database: Database, apple: FakeApns, person: Person) -> Phone:
    token = secrets.token_hex(32)
    await set_endpoint(
        database,
        person.user.id,
        person.inner_device_id,
        ApnsAddress(token, TOPIC),
        now=datetime.now(UTC),
    )
    return Phone(apple, token)


async def is_settled(database: Database) -> bool:
    """Whether all that was said is dispatched, its pushes are queued, and no job is due."""
    unsettled = await database.fetchval("SELECT count(*) FROM outbox WHERE settled_at IS NULL")
    due = await database.fetchval(
        "SELECT count(*) FROM jobs WHERE state = 'running' OR state = 'waiting' AND due_at <= now()"
    )
    return not unsettled and not due


async def is_checked(database: Database) -> bool:
    """Whether all that was said is looked after, too."""
    unchecked = await database.fetchval("SELECT count(*) FROM outbox WHERE checked_at IS NULL")
    return unchecked == 0 and await is_settled(database)
