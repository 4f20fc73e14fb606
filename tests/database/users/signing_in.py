"""What the tests of sign-in do again and again."""

from datetime import UTC, datetime, timedelta

import msgspec

from models.devices.codes import CodeRequest, RequestedCode, request_code
from models.devices.devices import Platform
from models.devices.sessions import Session
from models.devices.sign_in import SignIn, sign_in
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from models.users.sms_numbers import SmsRules

ALICE = "+14155550101"
BOB = "+14155550102"
HOME = "192.0.2.1"
EVERYWHERE = SmsRules()
# The beginning of a window of every budget, so that sums are exact.
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class SmsRecorder:
    """Keeps what would have been sent; fails when told to."""

    def __init__(self, failure: Refused | None = None) -> None:
        self.sent: list[tuple[str, str]] = []
        self.failure = failure

    async def send(self, number: str, text: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append((number, text))


async def ask(
    database: Database,
    tokens: Tokens,
    number: str = ALICE,
    *,
    sms: SmsRecorder | None = None,
    address: str = HOME,
    now: datetime = NOW,
    language: str | None = None,
    rules: SmsRules = EVERYWHERE,
) -> RequestedCode:
    """Ask for a code, and read it as the person does."""
    asked = CodeRequest(number, address, language)
    return await request_code(database, tokens, sms or SmsRecorder(), asked, rules=rules, now=now)


async def enter(
    database: Database,
    tokens: Tokens,
    requested: RequestedCode,
    number: str = ALICE,
    *,
    name: str | None = None,
    device_name: str = "Phone",
    address: str = HOME,
    now: datetime = NOW,
) -> Session:
    asked = SignIn(number, requested.secret, requested.code, device_name, Platform.IOS, name)
    return await sign_in(database, tokens, asked, address=address, now=now)


async def signed_in(
    database: Database,
    tokens: Tokens,
    number: str = ALICE,
    *,
    now: datetime = NOW,
    device_name: str = "Phone",
) -> Session:
    requested = await ask(database, tokens, number, now=now)
    return await enter(database, tokens, requested, number, now=now, device_name=device_name)


async def verdict(
    database: Database,
    tokens: Tokens,
    requested: RequestedCode,
    *,
    address: str = HOME,
    now: datetime = NOW,
) -> RefusalCode | None:
    """Why the code was refused; None when it was right."""
    try:
        await enter(database, tokens, requested, address=address, now=now)
    except Refused as refused:
        return refused.code
    return None


def with_code(requested: RequestedCode, code: str) -> RequestedCode:
    """Return the same request, answered with another code."""
    return msgspec.structs.replace(requested, code=code)


def wrong(requested: RequestedCode, offset: int = 1) -> RequestedCode:
    """Return the same request, answered with a code that was not sent."""
    return with_code(requested, f"{(int(requested.code) + offset) % 1_000_000:06}")
