"""An Apns that speaks to a fake of Apple's server, and a clock that both follow."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from models.push.addresses import ApnsAddress, WebPushAddress
from tests.push.fakes.apns import KEY_ID, TEAM_ID, TOPIC, FakeApns
from tests.push.fakes.http2 import Reply
from tests.push.fakes.web_push import FakeWebPush
from tests.push.providers.pushing import Clock
from tests.push.providers.web_pushing import PEM, MakeWebPush
from workers.push.providers.apns import Apns
from workers.push.providers.web_push import WebPush

DEVICE = "ab" * 32
MakeApns = Callable[..., Apns]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def apple(clock: Clock) -> AsyncIterator[FakeApns]:
    fake = FakeApns(clock=clock)
    await fake.start()
    yield fake
    await fake.close()


@pytest_asyncio.fixture
async def make_apns(apple: FakeApns, clock: Clock) -> AsyncIterator[MakeApns]:
    opened: list[Apns] = []

    def make(**changes: Any) -> Apns:
        known = {"key": apple.key, "key_id": KEY_ID, "team_id": TEAM_ID, "clock": clock}
        apns = Apns(**{**known, "url": apple.url, "sandbox_url": "http://127.0.0.1:9", **changes})
        opened.append(apns)
        return apns

    yield make
    for apns in opened:
        await apns.close()


@pytest.fixture
def apns(make_apns: MakeApns) -> Apns:
    return make_apns()


def endpoint(token: str = DEVICE, topic: str = TOPIC, *, sandbox: bool = False) -> ApnsAddress:
    return ApnsAddress(token, topic, sandbox)


def refusal(status: int, reason: str, **headers: str) -> Reply:
    return Reply(status, headers, json.dumps({"reason": reason}).encode())


@pytest_asyncio.fixture
async def service(clock: Clock) -> AsyncIterator[FakeWebPush]:
    fake = FakeWebPush(clock=clock)
    await fake.start()
    yield fake
    await fake.close()


@pytest_asyncio.fixture
async def make_web_push(clock: Clock) -> AsyncIterator[MakeWebPush]:
    opened: list[WebPush] = []

    def make(**changes: Any) -> WebPush:
        known = {"private_key": PEM, "subject": "mailto:ops@example.com", "clock": clock}
        opened.append(WebPush(**{**known, "allow_internal": True, **changes}))
        return opened[-1]

    yield make
    for web_push in opened:
        await web_push.close()


@pytest.fixture
def web_push(make_web_push: MakeWebPush) -> WebPush:
    return make_web_push()


@pytest.fixture
def subscription(service: FakeWebPush, web_push: WebPush) -> WebPushAddress:
    return service.subscribe(web_push.public_key)
