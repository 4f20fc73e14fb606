"""What a device shows, by what its provider was given: the same for all providers that show."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.postgresql.database import Database
from models.push.addresses import ApnsAddress, FcmAddress, PushAddress
from models.push.endpoints import set_endpoint
from tests.make import Person
from tests.push.fakes.apns import TOPIC, FakeApns
from tests.push.fakes.fcm import FakeFcm
from tests.push.fakes.http2 import Http2Server
from tests.push.fakes.web_push import FakeWebPush, encode
from workers.push.providers.fcm import Fcm
from workers.push.providers.pushes import Provider
from workers.push.providers.web_push import WebPush


class Came(msgspec.Struct, frozen=True):
    """A push: what it replaces (`slot`), what it says (None: it takes back), and the badge."""

    slot: str
    body: str | None
    badge: int
    id: str = ""


class Screen(msgspec.Struct):
    """A device of one provider. `providers` are to be run besides Apple's."""

    fake: Http2Server
    address: PushAddress
    list_came: Callable[[], list[Came]]
    providers: list[Provider]

    async def give(self, database: Database, person: Person) -> None:
        await set_endpoint(
            database, person.user.id, person.inner_device_id, self.address, now=datetime.now(UTC)
        )

    @property
    def bodies(self) -> list[str | None]:
        return [each.body for each in self.list_came()]


@asynccontextmanager
async def open_screen(kind: str, apple: FakeApns) -> AsyncIterator[Screen]:
    """A device of a fake APNs, FCM or push service (APNS, FCM, WEB_PUSH)."""
    async with AsyncExitStack() as stack:
        if kind == "APNS":
            yield _apple_screen(apple)
            return
        fake: Any = FakeFcm() if kind == "FCM" else FakeWebPush()
        await fake.start()
        stack.push_async_callback(fake.close)
        yield google_screen(fake) if kind == "FCM" else browser_screen(fake)


def _apple_screen(fake: FakeApns) -> Screen:
    token = secrets.token_hex(32)

    def list_came() -> list[Came]:
        return [
            Came(
                each.headers["apns-collapse-id"],
                each.payload["aps"].get("alert", {}).get("body"),
                each.payload["aps"]["badge"],
                each.payload["push"],
            )
            for each in fake.accepted
            if each.device == token
        ]

    return Screen(fake, ApnsAddress(token, TOPIC), list_came, [])


def google_screen(fake: FakeFcm) -> Screen:
    token = "android:" + secrets.token_hex(16)

    def list_came() -> list[Came]:
        return [_of_google(each.message) for each in fake.accepted if each.token == token]

    provider = Fcm(service_account=fake.service_account, url=fake.url)
    return Screen(fake, FcmAddress(token), list_came, [provider])


def _of_google(message: dict[str, Any]) -> Came:
    shown = message["android"].get("notification", {})
    slot = shown.get("tag", message["data"]["thread"])
    data, body = message["data"], message.get("notification", {}).get("body")
    return Came(slot, body, int(data["badge"]), data["push"])


def browser_screen(fake: FakeWebPush) -> Screen:
    key = encode(secrets.token_bytes(32))
    provider = WebPush(private_key=key, subject="mailto:ops@example.com", allow_internal=True)
    return Screen(fake, *browser_of(fake), [provider])


def browser_of(fake: FakeWebPush) -> tuple[PushAddress, Callable[[], list[Came]]]:
    """Another browser of the same push service: its address, and what came there."""
    subscription = fake.subscribe()

    def list_came() -> list[Came]:
        return [
            Came(
                each.headers["topic"],
                each.payload.get("body"),
                each.payload["badge"],
                each.payload["push"],
            )
            for each in fake.accepted
            if subscription.endpoint.endswith(each.path)
        ]

    return subscription, list_came
