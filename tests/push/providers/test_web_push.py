"""Web Push: what a service that checks as the RFCs say accepts and its browser decrypts, and where
no push goes.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from models.push.addresses import WebPushAddress
from tests.push.fakes.http2 import Reply
from tests.push.fakes.tls import make_tls
from tests.push.fakes.web_push import FakeWebPush, encode
from tests.push.providers.pushing import CHANNEL, MESSAGE, Clock, make_push
from tests.waiting import eventually
from workers.push.providers.lookups import Lookups
from workers.push.providers.pushes import DELIVERED, Blames, PushOutcome
from workers.push.providers.web_push import WebPush, payload

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
COMPRESSED = PublicFormat.CompressedPoint
MakeWebPush = Callable[..., WebPush]


@pytest.fixture
def clock() -> Clock:
    return Clock()


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


def to(subscription: WebPushAddress, **changes: str) -> WebPushAddress:
    return msgspec.structs.replace(subscription, **changes)


# -------------------------------------------------------------------- what is sent


async def test_shows_a_message_to_the_browser_alone(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    push = make_push()

    assert await web_push.send(to(subscription), push) == DELIVERED

    [accepted] = service.accepted
    assert accepted.payload == {
        "action": "show",
        "push": push.id,
        "channel": CHANNEL,
        "message": MESSAGE,
        "thread": "thread-1",
        "badge": 3,
        "title": "Alice",
        "body": "Hi!",
    }
    assert accepted.headers["ttl"] == "600"
    assert accepted.headers["urgency"] == "high"


async def test_takes_a_message_back(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    assert await web_push.send(to(subscription), make_push(silent=True)) == DELIVERED
    [accepted] = service.accepted
    assert (accepted.payload["action"], accepted.payload["channel"]) == ("clear", CHANNEL)
    assert "title" not in accepted.payload


async def test_replaces_what_waits_of_the_same_channel(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    for thread in ("one", "one", "another"):
        await web_push.send(to(subscription), make_push(thread=thread))
    one, again, another = (accepted.headers["topic"] for accepted in service.accepted)
    assert one == again != another
    assert len(one) == 32


@pytest.mark.parametrize("character", ["é", '"', "👍🏽"])
async def test_cuts_a_text_to_what_fits_into_a_message(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress, character: str
) -> None:
    push = make_push(body=character * 5000)
    assert await web_push.send(to(subscription), push) == DELIVERED
    assert 3970 < len(payload(push)) <= 3993
    assert service.accepted[0].payload["body"].endswith(character + "…")


async def test_says_who_we_are_with_one_token_an_origin(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress, clock: Clock
) -> None:
    for _ in range(2):
        await web_push.send(to(subscription), make_push())
        clock.now += 3600
    one, two = service.accepted
    assert one.headers["authorization"] == two.headers["authorization"]
    assert one.claims["sub"] == "mailto:ops@example.com"


async def test_renews_that_token_in_time(
    web_push: WebPush, subscription: WebPushAddress, clock: Clock
) -> None:
    for _ in range(8):
        assert await web_push.send(to(subscription), make_push()) == DELIVERED
        clock.now += 4.9 * 3600


async def test_takes_the_key_as_generators_print_it(make_web_push: MakeWebPush) -> None:
    printed = encode(KEY.private_numbers().private_value.to_bytes(32))
    assert make_web_push(private_key=printed).public_key == make_web_push().public_key


@pytest.mark.parametrize(
    ("key", "subject"), [("nonsense!", "mailto:ops@example.com"), (PEM, "ops@example.com")]
)
def test_refuses_settings_that_no_service_takes(key: str, subject: str) -> None:
    with pytest.raises(ValueError, match=r"VAPID|base64"):
        WebPush(private_key=key, subject=subject)


# -------------------------------------------------------------------- its answers


async def test_tells_of_a_subscription_that_has_ended(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    service.unsubscribe(subscription)
    answer = await web_push.send(to(subscription), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "410")


async def test_tells_of_a_subscription_that_never_was(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    unknown = to(subscription, endpoint=service.url + "/wpush/v2/77")
    assert (await web_push.send(unknown, make_push())).outcome is PushOutcome.GONE


@pytest.mark.parametrize(
    "keys",
    [
        {"auth": "?"},
        {"auth": encode(b"short")},
        {"p256dh": encode(b"\x04" + b"x" * 64)},
        {"p256dh": encode(KEY.public_key().public_bytes(Encoding.X962, COMPRESSED))},
    ],
)
async def test_tells_of_keys_that_are_none(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress, keys: dict[str, str]
) -> None:
    assert (await web_push.send(to(subscription, **keys), make_push())).outcome is PushOutcome.GONE
    assert service.asked == 0


async def test_is_set_aside_when_the_browser_subscribed_with_another_key(
    web_push: WebPush, service: FakeWebPush
) -> None:
    answer = await web_push.send(to(service.subscribe("another")), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "403")


@pytest.mark.parametrize(
    ("reply", "outcome", "retry_after_s"),
    [
        (Reply(429, {"retry-after": "30"}), PushOutcome.RETRY, 30),
        (Reply(429, {"retry-after": "999999999"}), PushOutcome.RETRY, 3600),
        (Reply(503, {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}), PushOutcome.RETRY, 3600),
        (Reply(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), PushOutcome.RETRY, 0),
        (Reply(500), PushOutcome.RETRY, None),
        (Reply(413), PushOutcome.REJECTED, None),
        (Reply(400, {}, b"<script>"), PushOutcome.REJECTED, None),
        (Reply(307, {"location": "http://127.0.0.1:9"}), PushOutcome.REJECTED, None),
    ],
)
async def test_understands_what_a_service_answers(
    web_push: WebPush,
    service: FakeWebPush,
    subscription: WebPushAddress,
    reply: Reply,
    outcome: PushOutcome,
    retry_after_s: float | None,
) -> None:
    service.answer_instead(reply)
    answer = await web_push.send(to(subscription), make_push())
    assert (answer.outcome, answer.retry_after_s) == (outcome, retry_after_s)
    assert answer.said == str(reply.status)
    assert service.asked == 1


# -------------------------------------------------------------------- the connection


async def test_sends_everything_over_one_connection(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    await web_push.send(to(subscription), make_push())
    answers = await asyncio.gather(
        *(web_push.send(to(subscription), make_push()) for _ in range(100))
    )
    assert set(answers) == {DELIVERED}
    assert service.opened == 1


async def test_goes_on_after_more_silence_than_a_connection_has_streams(
    make_web_push: MakeWebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    web_push = make_web_push(deadline_s=0.4)
    for _ in range(2):
        service.hang()
        silent = await asyncio.gather(
            *(web_push.send(to(subscription), make_push()) for _ in range(64))
        )
        assert {one.outcome for one in silent} == {PushOutcome.RETRY}
        service.recover()
        assert await web_push.send(to(subscription), make_push()) == DELIVERED
    assert service.opened <= 5


async def test_reads_no_endless_answer(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    service.answer_instead(Reply(201, {}, b"x" * 60_000), times=1)
    assert await web_push.send(to(subscription), make_push()) == DELIVERED
    assert await web_push.send(to(subscription), make_push()) == DELIVERED
    assert service.opened == 2


async def test_opens_another_connection_when_the_service_goes_away(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    await web_push.send(to(subscription), make_push())
    service.go_away()
    await eventually(lambda: not service.connections)
    assert await web_push.send(to(subscription), make_push()) == DELIVERED


async def test_loses_nothing_when_its_connections_are_cut(
    web_push: WebPush, service: FakeWebPush, subscription: WebPushAddress
) -> None:
    await web_push.send(to(subscription), make_push())
    sending = asyncio.gather(*(web_push.send(to(subscription), make_push()) for _ in range(100)))
    await eventually(lambda: len(service.accepted) > 20)
    service.cut()
    answers = await sending
    assert {one.outcome for one in answers} <= {PushOutcome.DELIVERED, PushOutcome.RETRY}
    assert sum(one == DELIVERED for one in answers) <= len(service.accepted)


# -------------------------------------------------------------------- nobody's wait for others


@pytest_asyncio.fixture
async def slow_names(service: FakeWebPush) -> AsyncIterator[Callable[[str, int], list[str]]]:
    """Names whose servers say nothing, until the test has ended; but for one."""
    over = threading.Event()

    def ask(host: str, port: int) -> list[str]:
        if host != "quick.example":
            over.wait(30)
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


# -------------------------------------------------------------------- where no push goes


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
