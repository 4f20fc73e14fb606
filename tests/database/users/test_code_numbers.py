"""Where codes are sent, and how many: what keeps somebody from making money with our SMS."""

import pytest

from models.limits.limits import Limits
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from models.users.sms_numbers import SmsRules
from tests.database.users.signing_in import ALICE, SmsRecorder, ask


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("+18005550100", "toll-free"),
        ("+80012345678", "toll-free, of no country"),
        ("+19005550123", "premium rate"),
        ("+33890123456", "premium rate"),
        ("+49180123456", "shared cost"),
        ("+447640123456", "pager"),
        ("+445512345678", "UAN"),
        ("+447012345678", "personal number"),
        ("+881612345678", "satellite"),
    ],
)
async def test_are_not_sent_to_numbers_that_earn_from_it_or_that_nobody_reads(
    database: Database, tokens: Tokens, number: str, kind: str
) -> None:
    sms = SmsRecorder()

    with pytest.raises(Refused, match="use a mobile number") as caught:
        await ask(database, tokens, number, sms=sms)

    assert (caught.value.code, caught.value.field) == (RefusalCode.INVALID_INPUT, "phoneNumber")
    assert sms.sent == []
    assert await database.fetchval("SELECT count(*) FROM budgets") == 0


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        ("+14155550101", True),
        ("+4915112300000", True),
        ("+18765550123", False),  # Jamaica, of the same calling code as the US
        ("+15550001111", False),  # assigned to no country of that calling code
        ("+8801712345678", False),
    ],
)
async def test_are_sent_to_the_countries_on_the_list_only(
    database: Database, tokens: Tokens, number: str, sent: bool
) -> None:
    sms = SmsRecorder()
    rules = SmsRules(frozenset({"US", "DE"}))

    if sent:
        await ask(database, tokens, number, sms=sms, rules=rules)
    else:
        with pytest.raises(Refused, match="No SMS is sent to numbers of this country") as caught:
            await ask(database, tokens, number, sms=sms, rules=rules)
        assert caught.value.field == "phoneNumber"

    assert len(sms.sent) == sent
    # Without a list, all.
    await ask(database, tokens, number, address="192.0.2.2")


async def test_are_refused_to_a_country_before_it_is_refused_to_everybody(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    """Whoever pumps a country's numbers, each from another network and of another prefix."""
    sms = SmsRecorder()

    async def pump(country: str, attacker: int) -> int:
        refused = 0
        for n in range(40):
            number = f"{country}{n:02}00000"
            try:
                await ask(database, tokens, number, sms=sms, address=f"{attacker}.0.{n}.1")
            except Refused as no:
                refused += no.code is RefusalCode.RATE_LIMITED
        return refused

    per_country = limits.codes_per_country.amount
    assert await pump("+88017123", 100) == await pump("+99299912", 101) == 40 - per_country
    assert len(sms.sent) == 2 * per_country < limits.codes_overall.amount / 2
    await ask(database, tokens, ALICE, sms=sms)


@pytest.mark.parametrize("addresses", ["198.51.100.{}", "2001:db8:7:{}::1"])
async def test_are_refused_to_who_walks_through_the_addresses_of_a_network(
    database: Database, tokens: Tokens, limits: Limits, addresses: str
) -> None:
    """The /24 of IPv4 and the /48 of IPv6, of which one customer may have all."""
    countries = "+491511230", "+336123400", "+346123400"
    for n in range(limits.codes_per_network.amount):
        address = addresses.format(n)
        await ask(database, tokens, f"{countries[n % 3]}{n:02}00", address=address)

    with pytest.raises(Refused, match="Too many codes"):
        await ask(database, tokens, ALICE, address=addresses.format(99))

    await ask(database, tokens, ALICE, address="198.51.101.1")
