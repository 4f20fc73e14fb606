"""One-time codes: asked for by number, sent by SMS, good for one sign-in.

A code belongs to the request that made it: only a client that holds the request's secret may try
it, five times. Requests for one number do not end each other, so that a stranger's requests and
guesses take nothing from the owner. The number of requests is counted in two shares, for networks
that the owner has used and for all others (`models/devices/known_networks.py`), so that strangers
cannot use up the owner's share. Since the codes of a number are limited, so are the guesses. Known
and unknown numbers get the same answer, by the same statements.
"""

import secrets
from datetime import datetime, timedelta
from enum import IntEnum

import msgspec

from models.devices.known_networks import is_known_network
from models.devices.sms import SmsSender, code_text
from models.limits.budgets import Charge, address_key, network_key, spend
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.refusals import RefusalCode, Refused
from models.text import CODE_DIGITS
from models.tokens import Tokens
from models.users.sms_numbers import SmsRules, country_of, require_sms_number

_SECRET_BYTES = 24

# Counts the codes in force of one share, and finds the newest request of one address.
_LOOK = """
SELECT count(*) FILTER (WHERE tries_left > 0 AND expires_at > $2 AND known = $3) AS live,
    min(expires_at) FILTER (WHERE tries_left > 0 AND expires_at > $2 AND known = $3) AS first_ends,
    max(requested_at) FILTER (WHERE asked_from = $4) AS last_asked
FROM sign_in_codes WHERE number = $1
"""
_INSERT = """
INSERT INTO sign_in_codes (number, secret_digest, purpose, code_hash, asked_from, known,
    requested_at, expires_at, tries_left)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_TAKE_TRY = """
UPDATE sign_in_codes SET tries_left = tries_left - 1
WHERE number = $1 AND secret_digest = $2 AND purpose = $3 AND tries_left > 0 AND expires_at > $4
RETURNING code_hash
"""
# The row stays, so that the next request from the same address still has to wait.
_CONSUME = """
UPDATE sign_in_codes SET tries_left = 0, code_hash = ''::bytea
WHERE number = $1 AND secret_digest = $2
"""


class CodePurpose(IntEnum):
    """The one use of a code: it is refused for any other. The numbers are those of the column
    `sign_in_codes.purpose`.
    """

    SIGN_IN = 1


class CodeRequest(msgspec.Struct, frozen=True):
    """A request for a code: the arguments of `requestCode` and the client's address."""

    number: str
    address: str
    language: str | None = None
    purpose: CodePurpose = CodePurpose.SIGN_IN

    def __repr__(self) -> str:
        return "CodeRequest(…)"


class RequestedCode(msgspec.Struct, frozen=True):
    """A code that was stored, and when the number may ask for the next one."""

    code: str
    # Belongs to the code: the client sends both at sign-in.
    secret: str
    expires_at: datetime
    next_request_at: datetime

    def __repr__(self) -> str:
        return "RequestedCode(…)"


async def request_code(
    database: Database,
    tokens: Tokens,
    sms: SmsSender,
    asked: CodeRequest,
    *,
    rules: SmsRules,
    now: datetime,
) -> RequestedCode:
    """Store a new code for the number, then send it. A code that could not be sent is deleted; its
    budgets stay spent.

    Raises:
        Refused: INVALID_INPUT for a number that gets no SMS; RATE_LIMITED: nothing was stored or
            sent; UNAVAILABLE: the SMS could not be sent.
    """
    require_sms_number(asked.number, rules, "phoneNumber")
    async with database.transaction() as connection:
        requested = await _store_code(connection, tokens, asked, now)
    text = code_text(requested.code, asked.language, ttl_s=tokens.limits.code_ttl_s)
    try:
        await sms.send(asked.number, text)
    except Refused:
        await database.execute(
            "DELETE FROM sign_in_codes WHERE number = $1 AND secret_digest = $2",
            asked.number,
            tokens.digest_secret(requested.secret),
        )
        raise
    return requested


async def _store_code(
    connection: Connection, tokens: Tokens, asked: CodeRequest, now: datetime
) -> RequestedCode:
    limits = tokens.limits
    known = await is_known_network(connection, tokens, asked.number, asked.address)
    # The number's row is locked from here: two requests for it cannot both take the last place.
    await spend(connection, _number_charges(asked, known, limits), now=now)
    asked_from = tokens.digest_network(asked.number, address_key(asked.address))
    next_request_at = await _find_place(connection, limits, asked.number, asked_from, known, now)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    expires_at = now + timedelta(seconds=limits.code_ttl_s)
    await connection.execute(
        _INSERT,
        asked.number,
        tokens.digest_secret(secret),
        asked.purpose,
        tokens.hash_code(asked.purpose, asked.number, secret, code),
        asked_from,
        known,
        now,
        expires_at,
        limits.code_tries,
    )
    await spend(connection, _shared_charges(asked, known, limits), now=now)
    return RequestedCode(code, secret, expires_at, min(next_request_at, expires_at))


async def _find_place(
    connection: Connection,
    limits: Limits,
    number: str,
    asked_from: bytes,
    known: bool,
    now: datetime,
) -> datetime:
    """Return when the next request may be made.

    Raises:
        Refused: RATE_LIMITED: the last request from this address was a moment ago, or this share
            has as many codes in force as are allowed.
    """
    row = await connection.fetchrow(_LOOK, number, now, known, asked_from)
    assert row is not None  # an aggregate
    live: int = row["live"]
    first_ends: datetime | None = row["first_ends"]
    last_asked: datetime | None = row["last_asked"]
    interval = timedelta(seconds=limits.code_interval_s)
    if last_asked is not None and last_asked + interval > now:
        reason = "A code was asked for a moment ago; wait for it."
        raise _refuse_until(last_asked + interval, now, reason)
    if first_ends is not None and live >= limits.codes_side_by_side:
        reason = (
            f"{live} codes for this number are still in force; use one that you asked for, or wait."
        )
        raise _refuse_until(first_ends, now, reason)
    if first_ends is None or live + 1 < limits.codes_side_by_side:
        return now + interval
    return max(now + interval, first_ends)


def _refuse_until(until: datetime, now: datetime, reason: str) -> Refused:
    wait_ms = int((until - now).total_seconds() * 1000) + 1
    return Refused(RefusalCode.RATE_LIMITED, reason, retry_after_ms=max(1, wait_ms))


async def try_code(
    connection: Connection, tokens: Tokens, number: str, secret: str, code: str, *, now: datetime
) -> Refused | None:
    """Try the code within the caller's transaction, and use it up if it is right. Return None if it
    is right, else the refusal.

    The refusal is returned, not raised, since the transaction must commit: a wrong guess counts.
    The client may be told only after the commit. After a rollback the code is as it was.
    """
    purpose, digest = CodePurpose.SIGN_IN, tokens.digest_secret(secret)
    code_hash = await connection.fetchval(_TAKE_TRY, number, digest, purpose, now)
    # Compared also where there is no code, so that both take equally long.
    right = tokens.code_matches(code_hash or b"", purpose, number, secret, code)
    if code_hash is None:
        return Refused(
            RefusalCode.CODE_EXPIRED,
            "No code is in force for this number and requestSecret; ask for a new one.",
        )
    if not right:
        return Refused(RefusalCode.CODE_WRONG, "The code is not the one that was sent.")
    await connection.execute(_CONSUME, number, digest)
    return None


_TOO_MANY = "Too many codes were asked for; wait."


def _number_charges(asked: CodeRequest, known: bool, limits: Limits) -> list[Charge]:
    """List the charges of the number: by this address, in an hour, and in a day."""
    number, share = asked.number, _share(known)
    pair = f"{number}:{address_key(asked.address)}"
    return [
        Charge(f"codes:number-address:{pair}", limits.codes_per_number_and_address, _TOO_MANY),
        Charge(f"codes:{share}:number:{number}", limits.codes_per_number, _TOO_MANY),
        Charge(f"codes:{share}:number-day:{number}", limits.codes_per_number_daily, _TOO_MANY),
    ]


def _shared_charges(asked: CodeRequest, known: bool, limits: Limits) -> list[Charge]:
    """List the charges that are shared with other numbers. The row that all requests share is last:
    it is locked for the shortest time.
    """
    share, address = _share(known), asked.address
    # Numbers that differ in the last four digits only: SMS pumping tries one after the other.
    prefix = asked.number[:-4]
    by_key = {
        f"address:{address_key(address)}": limits.codes_per_address,
        f"network:{network_key(address)}": limits.codes_per_network,
        f"prefix:{prefix}": limits.codes_per_prefix,
        f"country:{country_of(asked.number)}": limits.codes_per_country,
        "overall": limits.codes_overall,
    }
    return [Charge(f"codes:{share}:{key}", budget, _TOO_MANY) for key, budget in by_key.items()]


def _share(known: bool) -> str:
    return "known" if known else "new"
