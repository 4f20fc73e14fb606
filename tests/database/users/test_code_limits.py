"""One-time codes: how many are sent, to whom, and what guesses without one cost."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_struct

from models.limits.limits import Budget, Limits
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused, unavailable
from models.tokens import Tokens
from tests.conftest import SECRET
from tests.database.users.signing_in import (
    ALICE,
    BOB,
    HOME,
    SmsRecorder,
    after,
    ask,
    verdict,
)


async def test_keeps_its_distance_from_the_one_before(database: Database, tokens: Tokens) -> None:
    sms = SmsRecorder()
    code = await ask(database, tokens, sms=sms)

    with pytest.raises(Refused) as caught:
        await ask(database, tokens, sms=sms, now=after(10))

    assert caught.value.code is RefusalCode.RATE_LIMITED
    assert caught.value.retry_after_ms == 20_001
    assert len(sms.sent) == 1
    assert await verdict(database, tokens, code) is None
    with pytest.raises(Refused):
        await ask(database, tokens, sms=sms, now=after(29.9))
    await ask(database, tokens, sms=sms, now=after(30))
    assert len(sms.sent) == 2


@pytest.mark.parametrize(("budget", "sent"), [("address", 5), ("number", 6), ("day", 12)])
async def test_is_sent_so_often_to_one_number(
    database: Database, tokens: Tokens, budget: str, sent: int
) -> None:
    """Five times an hour for one address; six times an hour and twelve a day for all."""
    sms = SmsRecorder()
    step_s = 3500 if budget == "day" else 500
    addresses = [HOME if budget == "address" else f"192.0.2.{n}" for n in range(sent + 1)]
    for n in range(sent):
        await ask(database, tokens, sms=sms, address=addresses[n], now=after(n * step_s))

    with pytest.raises(Refused, match="Too many codes") as caught:
        await ask(database, tokens, sms=sms, address=addresses[sent], now=after(sent * step_s))

    assert caught.value.code is RefusalCode.RATE_LIMITED
    assert len(sms.sent) == sent


@pytest.mark.parametrize(
    "addresses", [["203.0.113.9"], ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"]]
)
async def test_is_sent_ten_times_an_hour_from_one_address(
    database: Database, tokens: Tokens, addresses: list[str]
) -> None:
    """One customer has a whole /64 of IPv6."""
    sms = SmsRecorder()
    for i in range(10):
        await ask(
            database, tokens, f"+4915112300{i:03}", sms=sms, address=addresses[i % len(addresses)]
        )

    with pytest.raises(Refused) as caught:
        await ask(database, tokens, "+4915112300999", sms=sms, address=addresses[-1])

    assert caught.value.code is RefusalCode.RATE_LIMITED
    assert len(sms.sent) == 10
    assert await database.fetchval("SELECT count(*) FROM sign_in_codes") == 10
    await ask(database, tokens, "+4915112300999", sms=sms, address="2001:db8:1:3::1")


async def test_is_refused_to_who_walks_through_the_numbers_of_one_prefix(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    strict = Tokens(SECRET, replace(limits, codes_per_prefix=Budget(amount=3, window_s=3600)))
    for i in range(3):
        await ask(database, strict, f"+4915112300{i:03}", address=f"192.0.2.{i}")

    with pytest.raises(Refused, match="Too many codes"):
        await ask(database, strict, "+4915112300777", address="192.0.2.77")

    await ask(database, strict, "+4915112360777", address="192.0.2.77")


async def test_is_refused_to_all_when_too_many_were_sent(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    """And it costs the number and the address nothing."""
    strict = Tokens(SECRET, replace(limits, codes_overall=Budget(amount=1, window_s=60)))
    await ask(database, strict, ALICE)

    with pytest.raises(Refused, match="Too many codes"):
        await ask(database, strict, BOB, address="192.0.2.2")

    keys = await database.fetch(
        "SELECT key FROM budgets WHERE key LIKE '%' || $1 OR key LIKE '%192.0.2.2'", BOB
    )
    assert keys == []
    assert await database.fetchval("SELECT count(*) FROM sign_in_codes") == 1


async def test_that_cannot_be_sent_is_unavailable_and_takes_no_place(
    database: Database, tokens: Tokens
) -> None:
    for _ in range(4):
        with pytest.raises(Refused) as caught:
            await ask(database, tokens, sms=SmsRecorder(unavailable()))
        assert caught.value.code is RefusalCode.UNAVAILABLE

    await ask(database, tokens)


async def test_guesses_without_a_code_in_force_are_limited_per_address(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    """And keep no neighbour from using the code that they hold."""
    strict = Tokens(SECRET, replace(limits, sign_ins_per_address=Budget(amount=2, window_s=3600)))
    code = await ask(database, strict)
    guess = replace_struct(code, secret="guessed")
    for _ in range(2):
        assert await verdict(database, strict, guess) is RefusalCode.CODE_EXPIRED

    assert await verdict(database, strict, guess) is RefusalCode.RATE_LIMITED

    assert await verdict(database, strict, guess, address="192.0.2.2") is RefusalCode.CODE_EXPIRED
    assert await verdict(database, strict, code) is None
