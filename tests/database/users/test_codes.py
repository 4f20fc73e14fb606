"""One-time codes: how they are made, how long they work, and how often one may guess."""

import asyncio
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from msgspec.structs import replace as replace_struct

from models.devices.codes import RequestedCode
from models.devices.sms import code_text
from models.limits.limits import Budget, Limits
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from tests.conftest import SECRET
from tests.database.users.signing_in import (
    ALICE,
    BOB,
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
