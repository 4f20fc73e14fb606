"""APNs: what a fake that checks as Apple does accepts, and what becomes of its answers."""

import asyncio
import uuid
from pathlib import Path

import pytest

from models.push.addresses import ApnsAddress
from tests.push.fakes.apns import TOPIC, FakeApns
from tests.push.fakes.http2 import Reply
from tests.push.fakes.tls import make_tls
from tests.push.providers.conftest import DEVICE, MakeApns, endpoint, refusal
from tests.push.providers.pushing import CHANNEL, MESSAGE, Clock, make_push
from workers.push.providers.apns import RENEW_TOKEN_AFTER_S, Apns, payload
from workers.push.providers.pushes import DELIVERED, PushOutcome

# -------------------------------------------------------------------- what is sent


async def test_shows_a_message(apns: Apns, apple: FakeApns, clock: Clock) -> None:
    push = make_push()

    assert await apns.send(endpoint(), push) == DELIVERED

    [accepted] = apple.accepted
    assert accepted.device == DEVICE
    assert accepted.id == str(uuid.UUID(push.id))
    assert accepted.payload == {
        "aps": {
            "alert": {"title": "Alice", "body": "Hi!"},
            "badge": 3,
            "sound": "default",
            "thread-id": "thread-1",
            "mutable-content": 1,
        },
        "action": "show",
        "push": push.id,
        "channel": CHANNEL,
        "thread": "thread-1",
        "badge": "3",
        "message": MESSAGE,
    }
    sent = {name: accepted.headers[f"apns-{name}"] for name in ("topic", "push-type", "priority")}
    assert sent == {"topic": TOPIC, "push-type": "alert", "priority": "10"}
    assert accepted.headers["apns-collapse-id"] == "thread-1"
    assert accepted.headers["apns-expiration"] == str(int(clock.now) + 600)


async def test_corrects_what_is_shown_without_a_sound(apns: Apns, apple: FakeApns) -> None:
    assert await apns.send(endpoint(), make_push(quiet=True)) == DELIVERED

    [accepted] = apple.accepted
    assert "sound" not in accepted.payload["aps"]
    assert accepted.payload["aps"]["alert"] == {"title": "Alice", "body": "Hi!"}
    assert accepted.payload["quiet"] == "true"


async def test_takes_a_message_back_in_the_background(apns: Apns, apple: FakeApns) -> None:
    assert await apns.send(endpoint(), make_push(silent=True)) == DELIVERED

    [accepted] = apple.accepted
    assert accepted.payload["aps"] == {"badge": 3, "content-available": 1}
    assert (accepted.payload["action"], accepted.payload["channel"]) == ("clear", CHANNEL)
    assert accepted.headers["apns-push-type"] == "background"
    assert accepted.headers["apns-priority"] == "5"


@pytest.mark.parametrize("character", ["é", "👍🏽", '"', "a\u0301"])
async def test_cuts_a_text_that_is_too_long_between_characters(
    apns: Apns, apple: FakeApns, character: str
) -> None:
    push = make_push(body=character * 5000)

    assert await apns.send(endpoint(), push) == DELIVERED

    body = apple.accepted[0].payload["aps"]["alert"]["body"]
    assert body == character * ((len(body) - 1) // len(character)) + "…"
    assert 4080 < len(payload(push)) <= 4096


async def test_cuts_a_title_too(apns: Apns, apple: FakeApns) -> None:
    assert await apns.send(endpoint(), make_push(title="T" * 9000)) == DELIVERED
    assert apple.accepted[0].payload["aps"]["alert"]["body"] == ""


async def test_goes_to_the_sandbox_for_a_development_build(
    make_apns: MakeApns, apple: FakeApns
) -> None:
    apns = make_apns(url="http://127.0.0.1:9", sandbox_url=apple.url)
    assert await apns.send(endpoint(sandbox=True), make_push()) == DELIVERED


async def test_speaks_tls_and_trusts_only_whom_it_should(
    apple: FakeApns, make_apns: MakeApns, tmp_path: Path
) -> None:
    tls = make_tls(tmp_path, "127.0.0.1")
    fake = FakeApns(tls=tls.server)
    await fake.start()
    trusting = make_apns(url=fake.url, key=fake.key, tls=tls.client)
    doubting = make_apns(url=fake.url, key=fake.key)

    assert await trusting.send(endpoint(), make_push()) == DELIVERED
    assert (await doubting.send(endpoint(), make_push())).outcome is PushOutcome.RETRY
    await fake.close()


async def test_does_not_speak_to_a_server_without_http2(
    make_apns: MakeApns, tmp_path: Path
) -> None:
    tls = make_tls(tmp_path, "127.0.0.1", protocols=("http/1.1",))
    fake = FakeApns(tls=tls.server)
    await fake.start()
    apns = make_apns(url=fake.url, tls=tls.client)
    assert (await apns.send(endpoint(), make_push())).outcome is PushOutcome.RETRY
    assert fake.asked == 0
    await fake.close()


# -------------------------------------------------------------------- provider tokens


async def test_keeps_one_provider_token(apns: Apns, apple: FakeApns, clock: Clock) -> None:
    clock.now -= clock.now % (40 * 60)
    for _ in range(4):
        await apns.send(endpoint(), make_push())
        clock.now += 9 * 60
    assert len(apple.tokens) == 1


async def test_all_worker_processes_have_the_same_token(
    make_apns: MakeApns, apple: FakeApns, clock: Clock
) -> None:
    """Apple counts renewals over all who use the key."""
    workers = [make_apns() for _ in range(3)]
    periods = set()
    for _ in range(20):
        for worker in workers:
            assert await worker.send(endpoint(), make_push()) == DELIVERED
        periods.add(clock.now // RENEW_TOKEN_AFTER_S)
        clock.now += 11 * 60
    assert len(apple.tokens) == len(periods)


async def test_renews_its_token_before_apple_finds_it_old(
    apns: Apns, apple: FakeApns, clock: Clock
) -> None:
    for _ in range(30):
        assert await apns.send(endpoint(), make_push()) == DELIVERED
        clock.now += 7 * 60
    issued = sorted(apple.tokens.values())
    assert all(20 * 60 < b - a < 50 * 60 for a, b in zip(issued, issued[1:], strict=False))


async def test_renews_a_token_that_apple_calls_expired_once_for_all(
    make_apns: MakeApns, apple: FakeApns, clock: Clock
) -> None:
    slow = Clock()
    slow.now -= slow.now % (40 * 60)
    clock.now = slow.now + 30 * 60
    apns = make_apns(clock=slow)
    await apns.send(endpoint(), make_push())
    slow.now += 35 * 60
    clock.now += 35 * 60

    answers = await asyncio.gather(*(apns.send(endpoint(), make_push()) for _ in range(50)))

    assert set(answers) == {DELIVERED}
    assert len(apple.tokens) == 2


async def test_does_not_renew_more_often_than_apple_allows(
    make_apns: MakeApns, apple: FakeApns, clock: Clock
) -> None:
    slow = Clock()
    slow.now = clock.now - 3700
    slow.now -= slow.now % (40 * 60)
    answer = await make_apns(clock=slow).send(endpoint(), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.RETRY, "403 ExpiredProviderToken")
    assert len(apple.tokens) == 1


@pytest.mark.parametrize(
    "wrong", [{"key_id": "WRONG12345"}, {"team_id": "WRONG12345"}, {"key": FakeApns().key}]
)
async def test_signed_wrongly_is_set_aside(make_apns: MakeApns, wrong: dict[str, str]) -> None:
    answer = await make_apns(**wrong).send(endpoint(), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "403 InvalidProviderToken")


# -------------------------------------------------------------------- its answers


async def test_tells_of_a_device_that_has_gone(apns: Apns, apple: FakeApns) -> None:
    apple.unregistered.add(DEVICE)
    answer = await apns.send(endpoint(), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "410 Unregistered")


@pytest.mark.parametrize(
    "bad", [endpoint(token="../../x"), endpoint(token="abcdef0123"), endpoint(topic="other.app")]
)
async def test_tells_of_a_token_that_is_none(apns: Apns, bad: ApnsAddress) -> None:
    assert (await apns.send(bad, make_push())).outcome is PushOutcome.GONE


@pytest.mark.parametrize(
    ("reply", "outcome", "retry_after_s"),
    [
        (refusal(429, "TooManyRequests", **{"retry-after": "7"}), PushOutcome.RETRY, 7),
        (refusal(500, "InternalServerError"), PushOutcome.RETRY, None),
        (refusal(503, "ServiceUnavailable", **{"retry-after": "soon"}), PushOutcome.RETRY, None),
        (refusal(400, "BadTopic"), PushOutcome.REJECTED, None),
        (refusal(410, "SomethingNew"), PushOutcome.GONE, None),
        (refusal(413, "PayloadTooLarge"), PushOutcome.REJECTED, None),
        (refusal(404, "BadPath"), PushOutcome.REJECTED, None),
        (Reply(302, {"location": "http://127.0.0.1:9"}), PushOutcome.REJECTED, None),
        (Reply(400, {}, b"\xff not json"), PushOutcome.REJECTED, None),
    ],
)
async def test_understands_what_apple_answers(
    apns: Apns, apple: FakeApns, reply: Reply, outcome: PushOutcome, retry_after_s: float | None
) -> None:
    apple.answer_instead(reply)
    answer = await apns.send(endpoint(), make_push())
    assert (answer.outcome, answer.retry_after_s) == (outcome, retry_after_s)


async def test_repeats_no_more_of_an_answer_than_a_reason(apns: Apns, apple: FakeApns) -> None:
    apple.answer_instead(refusal(400, f"about {DEVICE}"))
    assert (await apns.send(endpoint(), make_push())).said == "400"


async def test_goes_on_when_apple_has_recovered(apns: Apns, apple: FakeApns) -> None:
    apple.answer_instead(refusal(500, "InternalServerError"), times=2)
    pushes = [await apns.send(endpoint(), make_push()) for _ in range(3)]
    assert [one.outcome for one in pushes] == [
        PushOutcome.RETRY,
        PushOutcome.RETRY,
        PushOutcome.DELIVERED,
    ]


def test_keeps_addresses_and_texts_out_of_reprs() -> None:
    shown = repr(endpoint()) + repr(make_push(body="secret words"))
    assert DEVICE not in shown
    assert "secret words" not in shown
