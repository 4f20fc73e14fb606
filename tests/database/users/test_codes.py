"""One-time codes: how many are sent, how long they work, and how often one may guess."""

import asyncio
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from msgspec.structs import replace as replace_struct

from models.database import Database
from models.devices.codes import RequestedCode
from models.devices.sms import code_text
from models.limits import Budget, Limits
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
    enter,
    signed_in,
    verdict,
    with_code,
    wrong,
)


async def stored_code(database: Database, number: str = ALICE) -> dict[str, object]:
    """Return the row of the number's newest request."""
    row = await database.fetchrow(
        "SELECT * FROM sign_in_codes WHERE number = $1 ORDER BY requested_at DESC LIMIT 1", number
    )
    assert row is not None
    return dict(row)


async def counts(database: Database) -> tuple[int, int]:
    """Users and devices."""
    return (
        await database.fetchval("SELECT count(*) FROM users"),
        await database.fetchval("SELECT count(*) FROM devices"),
    )


async def test_is_six_digits_sent_by_sms_and_stored_as_a_keyed_hash(
    database: Database, tokens: Tokens
) -> None:
    sms = SmsRecorder()

    requested = await ask(database, tokens, sms=sms, language="de-AT")

    assert len(requested.code) == 6
    assert requested.code.isdigit()
    assert sms.sent == [(ALICE, code_text(requested.code, "de", ttl_s=600))]
    row = await stored_code(database)
    secret = requested.secret
    assert row["code_hash"] == tokens.hash_code(1, ALICE, secret, requested.code)
    assert row["secret_digest"] == sha256(secret.encode()).digest()
    assert secret not in str(row)
    assert row["expires_at"] == after(600)
    assert row["tries_left"] == 5


async def test_is_answered_alike_for_known_and_unknown_numbers(
    database: Database, tokens: Tokens
) -> None:
    await signed_in(database, tokens, ALICE)
    sms = SmsRecorder()

    for number in (ALICE, BOB):
        await ask(database, tokens, number, sms=sms, now=after(60))

    assert [number for number, _ in sms.sent] == [ALICE, BOB]
    known, unknown = await stored_code(database, ALICE), await stored_code(database, BOB)
    assert known["expires_at"] == unknown["expires_at"] == after(660)
    assert await counts(database) == (1, 1)


async def test_works_once(database: Database, tokens: Tokens) -> None:
    code = await ask(database, tokens)

    assert await verdict(database, tokens, code) is None
    assert await verdict(database, tokens, code) is RefusalCode.CODE_EXPIRED
    assert await counts(database) == (1, 1)


async def test_works_until_ten_minutes_have_passed(database: Database, tokens: Tokens) -> None:
    code = await ask(database, tokens)
    assert await verdict(database, tokens, code, now=after(600)) is RefusalCode.CODE_EXPIRED
    assert await verdict(database, tokens, code, now=after(599.9)) is None


async def test_is_void_after_five_wrong_tries(database: Database, tokens: Tokens) -> None:
    code = await ask(database, tokens)

    for _ in range(5):
        assert await verdict(database, tokens, wrong(code)) is RefusalCode.CODE_WRONG

    assert await verdict(database, tokens, code) is RefusalCode.CODE_EXPIRED
    assert await counts(database) == (0, 0)


async def test_that_cannot_be_right_costs_no_try(database: Database, tokens: Tokens) -> None:
    code = await ask(database, tokens)

    for malformed in ("", "12345", "1234567", "12345x", "١٢٣٤٥٦", "12345\ud800", "12345\x00"):
        tried = with_code(code, malformed)
        assert await verdict(database, tokens, tried) is RefusalCode.INVALID_INPUT

    assert (await stored_code(database))["tries_left"] == 5
    assert await verdict(database, tokens, code) is None


async def test_for_another_number_is_of_no_use(database: Database, tokens: Tokens) -> None:
    code = await ask(database, tokens, BOB)
    mine = await ask(database, tokens, ALICE)

    assert await verdict(database, tokens, code) is RefusalCode.CODE_EXPIRED
    assert await verdict(database, tokens, mine) is None


async def test_is_tried_by_nobody_without_its_secret(database: Database, tokens: Tokens) -> None:
    code = await ask(database, tokens)
    for secret in ("", "guessed", code.secret[:-1], code.secret + "A", "\ud800", "x" * 100_000):
        guess = replace_struct(code, secret=secret)
        assert await verdict(database, tokens, guess) is RefusalCode.CODE_EXPIRED

    assert (await stored_code(database))["tries_left"] == 5
    assert await verdict(database, tokens, code) is None


async def test_lives_beside_the_two_before_it_each_with_its_secret_and_five_tries(
    database: Database, tokens: Tokens
) -> None:
    codes = [await ask(database, tokens, now=after(begin)) for begin in (0, 30, 60)]

    for code in codes:
        for _ in range(4):
            assert await verdict(database, tokens, wrong(code), now=after(90)) is (
                RefusalCode.CODE_WRONG
            )
    assert [await verdict(database, tokens, code, now=after(90)) for code in codes] == [None] * 3


async def test_is_refused_while_three_are_in_force_and_the_answer_says_until_when(
    database: Database, tokens: Tokens
) -> None:
    sms = SmsRecorder()
    first, second, third = [
        await ask(database, tokens, address=f"192.0.2.{n}", sms=sms, now=after(n * 60))
        for n in range(3)
    ]

    with pytest.raises(Refused) as caught:
        await ask(database, tokens, address="192.0.2.9", sms=sms, now=after(180))

    assert caught.value.code is RefusalCode.RATE_LIMITED
    assert caught.value.retry_after_ms == 420_001
    assert (first.next_request_at, second.next_request_at) == (after(30), after(90))
    assert third.next_request_at == first.expires_at == after(600)
    assert len(sms.sent) == 3
    await ask(database, tokens, address="192.0.2.9", sms=sms, now=after(600))


async def test_makes_room_when_it_was_used_or_tried_too_often(
    database: Database, tokens: Tokens
) -> None:
    used, guessed, _ = [await ask(database, tokens, now=after(n * 60)) for n in range(3)]
    assert await verdict(database, tokens, used, now=after(180)) is None
    for _ in range(5):
        await verdict(database, tokens, wrong(guessed), now=after(180))

    await ask(database, tokens, now=after(180), address="198.51.100.1")
    await ask(database, tokens, now=after(180), address="198.51.100.2")


async def test_takes_the_last_place_once_when_asked_for_at_once(
    database: Database, other_database: Database, tokens: Tokens
) -> None:
    asked = await asyncio.gather(
        *(
            ask((database, other_database)[n % 2], tokens, address=f"192.0.2.{n}")
            for n in range(10)
        ),
        return_exceptions=True,
    )

    assert Counter(type(each) for each in asked) == {RequestedCode: 3, Refused: 7}
    assert await database.fetchval("SELECT count(*) FROM sign_in_codes") == 3


async def test_guessed_a_hundred_times_at_once_by_two_processes_is_compared_five_times(
    database: Database, other_database: Database, tokens: Tokens, limits: Limits
) -> None:
    eager = Tokens(SECRET, replace(limits, sign_ins_per_address=Budget(amount=1000, window_s=60)))
    code = await ask(database, eager)

    verdicts = Counter(
        await asyncio.gather(
            *(
                verdict((database, other_database)[i % 2], eager, wrong(code, i + 1))
                for i in range(100)
            )
        )
    )

    assert verdicts == {RefusalCode.CODE_WRONG: 5, RefusalCode.CODE_EXPIRED: 95}
    assert await counts(database) == (0, 0)


async def test_that_is_right_makes_one_session_of_two_at_once(
    database: Database, other_database: Database, tokens: Tokens
) -> None:
    code = await ask(database, tokens)

    verdicts = await asyncio.gather(
        *(verdict(process, tokens, code) for process in (database, other_database))
    )

    assert Counter(verdicts) == {None: 1, RefusalCode.CODE_EXPIRED: 1}
    assert await counts(database) == (1, 1)


async def test_survives_a_sign_in_that_failed_on_the_way(
    database: Database, tokens: Tokens
) -> None:
    """Use of the code, account and device are one transaction."""
    code = await ask(database, tokens)
    await database.execute("ALTER TABLE devices ADD CONSTRAINT no_more CHECK (false) NOT VALID")
    try:
        with pytest.raises(Exception, match="no_more"):
            await enter(database, tokens, code)
    finally:
        await database.execute("ALTER TABLE devices DROP CONSTRAINT no_more")

    assert await counts(database) == (0, 0)
    assert await database.fetchval("SELECT count(*) FROM phone_numbers") == 0
    assert (await stored_code(database))["tries_left"] == 5
    assert await verdict(database, tokens, code) is None


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
