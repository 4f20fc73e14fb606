"""Web Push: what a service that checks as the RFCs say accepts, and its browser decrypts."""

import asyncio

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

from models.push.addresses import WebPushAddress
from tests.push.fakes.http2 import Reply
from tests.push.fakes.web_push import FakeWebPush, encode
from tests.push.providers.pushing import CHANNEL, MESSAGE, Clock, make_push
from tests.push.providers.web_pushing import KEY, PEM, MakeWebPush, to
from tests.waiting import eventually
from workers.push.providers.pushes import DELIVERED, PushOutcome
from workers.push.providers.web_push import WebPush, payload

COMPRESSED = PublicFormat.CompressedPoint


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
