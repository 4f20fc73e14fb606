"""FCM: what a fake that checks as Google does accepts, and what becomes of its answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from models.push.addresses import FcmAddress
from tests.push.fakes.fcm import FakeFcm, failure
from tests.push.fakes.http2 import Reply
from tests.push.providers.pushing import CHANNEL, MESSAGE, Clock, make_push
from workers.push.providers.fcm import Fcm
from workers.push.providers.pushes import DELIVERED, PushOutcome

TOKEN = "fcm-token:APA91b" + "x" * 120
PHONE = FcmAddress(TOKEN)
MakeFcm = Callable[..., Fcm]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def google(clock: Clock) -> AsyncIterator[FakeFcm]:
    fake = FakeFcm(clock=clock)
    await fake.start()
    yield fake
    await fake.close()


@pytest_asyncio.fixture
async def make_fcm(google: FakeFcm, clock: Clock) -> AsyncIterator[MakeFcm]:
    opened: list[Fcm] = []

    def make(*, account: dict[str, str] | None = None, **changes: Any) -> Fcm:
        text = json.dumps({**json.loads(google.service_account), **(account or {})})
        opened.append(
            Fcm(**{"service_account": text, "url": google.url, "clock": clock, **changes})
        )
        return opened[-1]

    yield make
    for fcm in opened:
        await fcm.close()


@pytest.fixture
def fcm(make_fcm: MakeFcm) -> Fcm:
    return make_fcm()


# -------------------------------------------------------------------- what is sent


async def test_shows_a_message(fcm: Fcm, google: FakeFcm) -> None:
    push = make_push()

    assert await fcm.send(PHONE, push) == DELIVERED

    [accepted] = google.accepted
    assert accepted.token == TOKEN
    assert accepted.message["notification"] == {"title": "Alice", "body": "Hi!"}
    assert accepted.message["android"] == {
        "priority": "HIGH",
        "ttl": "600s",
        "notification": {"tag": "thread-1", "notification_count": 3},
    }
    assert accepted.message["data"] == {
        "action": "show",
        "push": push.id,
        "channel": CHANNEL,
        "thread": "thread-1",
        "badge": "3",
        "message": MESSAGE,
    }
    assert accepted.message["apns"]["payload"]["aps"]["thread-id"] == "thread-1"


async def test_takes_a_message_back_without_showing_anything(fcm: Fcm, google: FakeFcm) -> None:
    assert await fcm.send(PHONE, make_push(silent=True)) == DELIVERED

    message = google.accepted[0].message
    assert (message["data"]["action"], message["data"]["channel"]) == ("clear", CHANNEL)
    assert "notification" not in message
    assert message["android"] == {"priority": "NORMAL", "ttl": "600s"}
    assert message["apns"]["payload"] == {"aps": {"badge": 3, "content-available": 1}}


async def test_uses_none_of_the_four_collapse_keys(fcm: Fcm, google: FakeFcm) -> None:
    for number in range(6):
        await fcm.send(PHONE, make_push(thread=f"thread-{number}", silent=number % 2 == 0))
    assert not any("collapse_key" in one.message["android"] for one in google.accepted)


@pytest.mark.parametrize("character", ["é", '"', "👍🏽"])
async def test_cuts_a_text_that_is_too_long(fcm: Fcm, google: FakeFcm, character: str) -> None:
    assert await fcm.send(PHONE, make_push(body=character * 5000)) == DELIVERED
    body = google.accepted[0].message["notification"]["body"]
    assert body == character * ((len(body) - 1) // len(character)) + "…"


async def test_keeps_within_the_longest_life_that_there_is(fcm: Fcm, google: FakeFcm) -> None:
    assert await fcm.send(PHONE, make_push(ttl_s=90 * 86_400)) == DELIVERED


# -------------------------------------------------------------------- access tokens


async def test_asks_for_one_token_for_all(fcm: Fcm, google: FakeFcm) -> None:
    answers = await asyncio.gather(*(fcm.send(PHONE, make_push()) for _ in range(300)))
    assert set(answers) == {DELIVERED}
    assert google.grants == 1
    assert google.opened == 2


async def test_renews_its_token_before_its_end(fcm: Fcm, google: FakeFcm, clock: Clock) -> None:
    for _ in range(12):
        assert await fcm.send(PHONE, make_push()) == DELIVERED
        clock.now += 540
    assert google.grants == 2
    assert google.asked == 12


async def test_asks_again_once_for_all_when_its_token_is_refused(fcm: Fcm, google: FakeFcm) -> None:
    await fcm.send(PHONE, make_push())
    google.revoke()
    answers = await asyncio.gather(*(fcm.send(PHONE, make_push()) for _ in range(50)))
    assert set(answers) == {DELIVERED}
    assert google.grants == 2


async def test_asks_again_only_once(fcm: Fcm, google: FakeFcm) -> None:
    google.answer_instead(failure(401, "UNAUTHENTICATED"))
    assert (await fcm.send(PHONE, make_push())).outcome is PushOutcome.RETRY
    assert google.asked == 2


async def test_takes_no_fault_of_googles_way_to_apple_for_its_own(
    fcm: Fcm, google: FakeFcm
) -> None:
    google.answer_instead(failure(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"))
    answer = await fcm.send(PHONE, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "401 THIRD_PARTY_AUTH_ERROR")
    assert google.grants == 1


@pytest.mark.parametrize(
    ("reply", "outcome", "retry_after_s"),
    [
        (Reply(503, {"retry-after": "5"}), PushOutcome.RETRY, 5),
        (Reply(200, {}, b"{}"), PushOutcome.RETRY, None),
        (Reply(401), PushOutcome.REJECTED, None),
    ],
)
async def test_says_that_it_gets_no_token(
    fcm: Fcm, google: FakeFcm, reply: Reply, outcome: PushOutcome, retry_after_s: float | None
) -> None:
    google.token_reply = reply
    answers = await asyncio.gather(*(fcm.send(PHONE, make_push()) for _ in range(20)))
    assert {(one.outcome, one.retry_after_s) for one in answers} == {(outcome, retry_after_s)}
    assert (google.grants, google.asked) == (1, 0)
    google.token_reply = None
    assert await fcm.send(PHONE, make_push()) == DELIVERED


@pytest.mark.parametrize(
    "account", [{"client_email": "other@example.com"}, {"token_uri": "http://127.0.0.1:9/token"}]
)
async def test_is_given_no_token_for_another_account(
    make_fcm: MakeFcm, account: dict[str, str]
) -> None:
    answer = await make_fcm(account=account).send(PHONE, make_push())
    assert answer.outcome is not PushOutcome.DELIVERED
    assert (answer.said or "").startswith("token: ")


@pytest.mark.parametrize("text", ["", "{}", '{"project_id": "x"}', "not json"])
def test_refuses_what_is_no_service_account(text: str) -> None:
    with pytest.raises(ValueError, match="service account"):
        Fcm(service_account=text)


# -------------------------------------------------------------------- its answers


async def test_tells_of_an_app_that_has_gone(fcm: Fcm, google: FakeFcm) -> None:
    google.unregistered.add(TOKEN)
    answer = await fcm.send(PHONE, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "404 UNREGISTERED")


async def test_tells_of_a_token_that_is_none(fcm: Fcm) -> None:
    answer = await fcm.send(FcmAddress("x"), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "400 INVALID_ARGUMENT")


async def test_prunes_nothing_for_a_fault_of_its_own(fcm: Fcm, google: FakeFcm) -> None:
    google.answer_instead(failure(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"))
    assert (await fcm.send(PHONE, make_push())).outcome is PushOutcome.REJECTED


async def test_prunes_nothing_when_it_is_set_up_for_another_project(
    fcm: Fcm, google: FakeFcm
) -> None:
    google.of_another_sender.add(TOKEN)
    answer = await fcm.send(PHONE, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "403 SENDER_ID_MISMATCH")


@pytest.mark.parametrize(
    ("reply", "retry_after_s"),
    [
        (failure(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", **{"retry-after": "60"}), 60),
        (failure(503, "UNAVAILABLE", "UNAVAILABLE", **{"retry-after": "10"}), 10),
        (failure(500, "INTERNAL", "INTERNAL"), None),
        (Reply(502, {}, b"<html>"), None),
    ],
)
async def test_is_tried_again_later(
    fcm: Fcm, google: FakeFcm, reply: Reply, retry_after_s: float | None
) -> None:
    google.answer_instead(reply)
    answer = await fcm.send(PHONE, make_push())
    assert (answer.outcome, answer.retry_after_s) == (PushOutcome.RETRY, retry_after_s)


async def test_gives_a_silent_google_up_in_time(make_fcm: MakeFcm, google: FakeFcm) -> None:
    fcm = make_fcm(deadline_s=0.1, concurrency=3)
    await fcm.send(PHONE, make_push())
    google.hang()
    answers = await asyncio.gather(*(fcm.send(PHONE, make_push()) for _ in range(10)))
    assert {one.outcome for one in answers} == {PushOutcome.RETRY}
    assert google.most_at_once == 3
