"""SMS: what SNS takes from us, and what becomes of its answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from models.push.addresses import SmsAddress
from models.users.sms_numbers import SmsRules
from tests.push.fakes.sns import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Accepted, FakeSns
from tests.push.providers.pushing import make_push
from tests.waiting import eventually
from workers.push.providers.pushes import DELIVERED, PushOutcome
from workers.push.providers.sms import Sms

NUMBER = "+14155550101"
BOB = SmsAddress(NUMBER)
MakeSms = Callable[..., Sms]


@pytest_asyncio.fixture
async def amazon() -> AsyncIterator[FakeSns]:
    fake = FakeSns()
    await fake.start()
    yield fake
    await fake.close()


@pytest_asyncio.fixture
async def make_sms(amazon: FakeSns) -> AsyncIterator[MakeSms]:
    opened: list[Sms] = []

    def make(**changes: Any) -> Sms:
        known: dict[str, Any] = {
            "region": REGION,
            "endpoint_url": amazon.url,
            "access_key_id": ACCESS_KEY_ID,
        }
        known |= {"rules": SmsRules()}
        opened.append(Sms.open(**{**known, "secret_access_key": SECRET_ACCESS_KEY, **changes}))
        return opened[-1]

    yield make
    for sms in opened:
        await sms.close()


@pytest.fixture
def sms(make_sms: MakeSms) -> Sms:
    return make_sms()


async def test_says_what_is_unread(sms: Sms, amazon: FakeSns) -> None:
    assert await sms.send(BOB, make_push()) == DELIVERED
    assert amazon.accepted == [Accepted(NUMBER, "Alice: Hi!", "Promotional")]


async def test_forgets_a_number_of_a_country_that_is_on_the_list_no_more(
    make_sms: MakeSms, amazon: FakeSns
) -> None:
    sms = make_sms(rules=SmsRules(frozenset({"US"})))

    answer = await sms.send(SmsAddress("+4915112300000"), make_push())

    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "no SMS there")
    assert amazon.asked == 0
    assert await sms.send(BOB, make_push()) == DELIVERED


async def test_says_something_without_a_preview(sms: Sms, amazon: FakeSns) -> None:
    await sms.send(BOB, make_push(title=None, body=None))
    assert amazon.accepted[0].text == "You have unread messages."


async def test_sends_nothing_endless(sms: Sms, amazon: FakeSns) -> None:
    assert await sms.send(BOB, make_push(body="é" * 5000)) == DELIVERED
    assert len(amazon.accepted[0].text.encode()) <= 600


async def test_takes_no_sms_back(sms: Sms, amazon: FakeSns) -> None:
    assert await sms.send(BOB, make_push(silent=True)) == DELIVERED
    assert amazon.asked == 0


@pytest.mark.parametrize("number", ["", "4155550101", "+0123456789", "+1415555010123456", "+1\n"])
async def test_sends_to_no_odd_number(sms: Sms, amazon: FakeSns, number: str) -> None:
    answer = await sms.send(SmsAddress(number), make_push())
    assert answer.outcome is PushOutcome.GONE
    assert amazon.asked == 0


async def test_tells_of_a_number_that_takes_none(sms: Sms, amazon: FakeSns) -> None:
    answer = await sms.send(SmsAddress("+19995550101"), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "InvalidParameter")


async def test_tells_of_somebody_who_wants_none(sms: Sms, amazon: FakeSns) -> None:
    amazon.opted_out.add(NUMBER)
    answer = await sms.send(BOB, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.GONE, "OptedOut")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ((400, "Throttling", "Rate exceeded"), PushOutcome.RETRY),
        ((429, "SomethingNew", "slow down"), PushOutcome.RETRY),
        ((500, "InternalError", ""), PushOutcome.RETRY),
        ((503, "ServiceUnavailable", ""), PushOutcome.RETRY),
        ((403, "AuthorizationError", f"not to {NUMBER}"), PushOutcome.REJECTED),
        ((400, "InvalidParameter", "Invalid parameter: Message"), PushOutcome.REJECTED),
    ],
)
async def test_understands_what_amazon_answers(
    sms: Sms, amazon: FakeSns, fault: tuple[int, str, str], outcome: PushOutcome
) -> None:
    amazon.fault = fault
    answer = await sms.send(BOB, make_push())
    assert (answer.outcome, answer.said) == (outcome, fault[1])
    amazon.fault = None
    assert await sms.send(BOB, make_push()) == DELIVERED


async def test_is_set_aside_when_it_is_signed_wrongly(make_sms: MakeSms) -> None:
    answer = await make_sms(secret_access_key="another").send(BOB, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.REJECTED, "SignatureDoesNotMatch")


async def test_reaches_nobody_and_says_so(make_sms: MakeSms) -> None:
    answer = await make_sms(endpoint_url="http://127.0.0.1:9").send(BOB, make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.RETRY, "not reached")


async def test_occupies_no_more_threads_than_it_may(make_sms: MakeSms, amazon: FakeSns) -> None:
    sms = make_sms(concurrency=2, deadline_s=0.3)
    amazon.hanging = True
    sending = [asyncio.create_task(sms.send(BOB, make_push())) for _ in range(4)]
    await eventually(lambda: amazon.at_once == 2)
    answers = await asyncio.gather(*sending)
    assert {one.outcome for one in answers} == {PushOutcome.RETRY}
    assert amazon.asked == 4
