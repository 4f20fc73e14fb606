"""Strangers who ask for codes and guess at them, for an hour and from many addresses."""

from collections import Counter
from datetime import datetime

import pytest

from models.devices.codes import RequestedCode
from models.devices.sessions import Sessions
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
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
    wrong,
)


class Strangers:
    """Attack one number from ever new addresses: ask, and guess at what they were given or hold it,
    so that no place is left. They guess at secrets of others, too.
    """

    def __init__(self, database: Database, tokens: Tokens, number: str, *, guess: bool) -> None:
        self.database, self.tokens, self.number, self.guess = database, tokens, number, guess
        self.sms = SmsRecorder()
        self.verdicts: Counter[RefusalCode | None] = Counter()
        self.refused: Counter[RefusalCode] = Counter()
        self.addresses = 0

    async def strike(self, now: datetime) -> None:
        """Ask until no more codes are given, each time from elsewhere."""
        for _ in range(4):
            self.addresses += 1
            address = f"203.{self.addresses // 250}.{self.addresses % 250}.1"
            try:
                code = await self._ask(address, now)
            except Refused as refused:
                self.refused[refused.code] += 1
                # Without a code they can only guess at secrets.
                code = RequestedCode("123456", "guessed", now, now)
            for _ in range(6 if self.guess else 0):
                self.verdicts[await self._try(wrong(code), address, now)] += 1

    async def _ask(self, address: str, now: datetime) -> RequestedCode:
        return await ask(
            self.database, self.tokens, self.number, sms=self.sms, address=address, now=now
        )

    async def _try(self, code: RequestedCode, address: str, now: datetime) -> RefusalCode | None:
        return await verdict(self.database, self.tokens, code, address=address, now=now)


@pytest.mark.parametrize("guess", [True, False], ids=["who guess", "who hold what they got"])
async def test_do_not_keep_the_owner_from_signing_in_for_an_hour(
    database: Database, tokens: Tokens, guess: bool
) -> None:
    """The owner was let in from home before. At most 6 codes an hour are for strangers to try, 5
    times each: 30 guesses.
    """
    await signed_in(database, tokens, ALICE, now=after(-86_400))
    strangers = Strangers(database, tokens, ALICE, guess=guess)

    for minute in range(60):
        await strangers.strike(after(minute * 60))
        if minute % 13 == 0:
            now = after(minute * 60 + 1)
            code = await ask(database, tokens, ALICE, address=HOME, now=now)
            await strangers.strike(now)
            session = await enter(database, tokens, code, ALICE, address=HOME, now=now)
            assert not session.is_new_user

    assert len(strangers.sms.sent) == 6
    assert strangers.verdicts[RefusalCode.CODE_WRONG] == (30 if guess else 0)
    assert strangers.verdicts[None] == 0
    assert strangers.refused == {RefusalCode.RATE_LIMITED: strangers.addresses - 6}


async def test_end_no_request_of_the_owner(database: Database, tokens: Tokens) -> None:
    """Not even where the number was never before."""
    code = await ask(database, tokens)
    strangers = Strangers(database, tokens, ALICE, guess=True)
    for second in range(1, 600, 60):
        await strangers.strike(after(second))

    assert await verdict(database, tokens, code, now=after(599)) is None


async def test_do_not_take_the_places_of_a_network_where_the_owner_only_refreshed(
    database: Database, tokens: Tokens
) -> None:
    session = await signed_in(database, tokens, now=after(-86_400))
    sessions = Sessions(database, tokens)
    await sessions.refresh(session.refresh_token, address="198.51.100.7", now=after(-600))
    await sessions.close()
    await Strangers(database, tokens, ALICE, guess=False).strike(after(0))

    # The same /24; a second code beside the first one, too.
    for second in (1, 60):
        await ask(database, tokens, address="198.51.100.200", now=after(second))

    with pytest.raises(Refused, match="still in force"):
        await ask(database, tokens, address="198.51.101.7", now=after(60))


async def test_do_not_take_them_either_when_the_secret_was_changed(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    await signed_in(database, tokens, now=after(-86_400))
    changed = Tokens("x" * 32, limits, previous_secret=SECRET)
    await Strangers(database, changed, ALICE, guess=False).strike(after(0))

    await ask(database, changed, address=HOME, now=after(1))


async def test_learn_nothing_of_where_the_owner_was(database: Database, tokens: Tokens) -> None:
    """A number with an owner is answered like one without, and no address is stored."""
    await signed_in(database, tokens, ALICE, now=after(-86_400))
    answers = []

    for number in (ALICE, BOB):
        strangers = Strangers(database, tokens, number, guess=False)
        for minute in range(60):
            await strangers.strike(after(minute * 60))
        answers.append((len(strangers.sms.sent), strangers.refused))

    assert answers[0] == answers[1]
    rows = await database.fetch("SELECT * FROM known_networks")
    assert [len(row["digest"]) for row in rows] == [16]
    assert "192.0.2" not in str(rows)


async def test_cannot_make_an_unknown_number_wait_longer_than_they_are_told(
    database: Database, tokens: Tokens
) -> None:
    """Who was never let in from there has no share of their own: they are told when to come."""
    await Strangers(database, tokens, ALICE, guess=False).strike(after(0))

    with pytest.raises(Refused) as caught:
        await ask(database, tokens, address=HOME, now=after(60))

    assert caught.value.retry_after_ms == 540_001
    await ask(database, tokens, address=HOME, now=after(600.1))
