"""Web Push: which addresses are reached, and that a slow service holds up no other."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio

from models.push.addresses import WebPushAddress
from tests.push.fakes.tls import make_tls
from tests.push.fakes.web_push import FakeWebPush
from tests.push.providers.pushing import make_push
from tests.push.providers.web_pushing import MakeWebPush, to
from tests.waiting import eventually
from workers.push.providers.lookups import Lookups
from workers.push.providers.pushes import DELIVERED, Blames, PushOutcome


@pytest_asyncio.fixture
async def slow_names(service: FakeWebPush) -> AsyncIterator[Callable[[str, int], list[str]]]:
    """Names whose servers say nothing, until the test has ended; but for one."""
    over = threading.Event()

    def ask(host: str, port: int) -> list[str]:
        if host != "quick.example":
            over.wait(60)
        return ["127.0.0.1"]

    yield ask
    over.set()


async def test_names_that_are_slow_hold_up_no_other(
    make_web_push: MakeWebPush,
    service: FakeWebPush,
    slow_names: Callable[[str, int], list[str]],
) -> None:
    web_push = make_web_push(resolve=Lookups(slow_names).resolve)
    service.host = "quick.example"
    quick = to(service.subscribe(web_push.public_key))
    for domain in ("one", "two", "three"):
        slow = [f"http://{number}.{domain}.example:9/x" for number in range(50)]
        waiting = [
            asyncio.create_task(web_push.send(to(quick, endpoint=each), make_push()))
            for each in slow
        ]

    assert await web_push.send(quick, make_push()) == DELIVERED

    assert not all(each.done() for each in waiting), "some of the slow ones are still waited for"
    for each in waiting:
        each.cancel()


async def test_a_service_that_hangs_has_its_share_and_no_more(
    make_web_push: MakeWebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    other = FakeWebPush()
    await other.start()
    web_push = make_web_push(concurrency=16)
    service.hang()
    waiting = [
        asyncio.create_task(web_push.send(to(subscription), make_push())) for _ in range(100)
    ]
    await eventually(lambda: service.at_once)

    answer = await web_push.send(to(other.subscribe(web_push.public_key)), make_push())

    await other.close()
    assert answer == DELIVERED
    assert service.most_at_once == 2
    turned_away = [each.result() for each in waiting if each.done()]
    assert len(turned_away) == 96
    assert {each.blames for each in turned_away} == {Blames.NOBODY}
    for each in waiting:
        each.cancel()


async def test_never_reaches_an_internal_address_by_a_public_name(
    make_web_push: MakeWebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    async def rebinding(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    web_push = make_web_push(allow_internal=False, resolve=rebinding)
    answer = await web_push.send(to(subscription, endpoint="https://push.example/x"), make_push())
    assert (answer.outcome, answer.said) == (
        PushOutcome.REJECTED,
        "The endpoint's host is not public.",
    )
    assert service.opened == 0


async def test_never_reaches_loopback(
    make_web_push: MakeWebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    web_push = make_web_push(allow_internal=False)
    answer = await web_push.send(to(subscription), make_push())
    assert answer.outcome is PushOutcome.REJECTED
    assert service.opened == 0


async def test_verifies_the_name_and_connects_to_the_address(
    make_web_push: MakeWebPush, tmp_path: Path
) -> None:
    tls = make_tls(tmp_path, "push.example")
    service = FakeWebPush(tls=tls.server, host="push.example")
    await service.start()

    async def names(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    web_push = make_web_push(tls=tls.client, resolve=names)
    subscription = service.subscribe()
    wrong_name = to(subscription, endpoint=service.url + "/wpush/v2/0")

    assert await web_push.send(to(subscription), make_push()) == DELIVERED
    assert (await web_push.send(wrong_name, make_push())).outcome is PushOutcome.RETRY
    assert service.accepted[0].claims["aud"] == f"https://push.example:{service.port}"
    await service.close()
