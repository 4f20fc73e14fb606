"""One-time codes: asked for by number, sent by SMS, good for one sign-in.

A number has one code in force; asking again replaces it. Guesses for a number are taken one at a
time, under its row's lock, whatever process they reach: at most `code_tries` are compared with a
code, and at most `wrong_codes_per_number` wrong ones in an hour, which a new code does not reset.
Nothing here looks at accounts, so known and unknown numbers are answered alike.
"""

import secrets
from datetime import datetime, timedelta

import msgspec

from models.budgets import Charge, address_key, require_left, spend
from models.database import Connection, Database
from models.limits import Limits
from models.phone_numbers import is_paid_number
from models.refusals import RefusalCode, Refused, invalid
from models.sms import SmsSender, code_text
from models.tokens import Tokens

CODE_DIGITS = 6

_REPLACE = """
INSERT INTO sign_in_codes AS c (number, code_hash, requested_at, expires_at, tries_left)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (number) DO UPDATE SET
    code_hash = excluded.code_hash,
    requested_at = excluded.requested_at,
    expires_at = excluded.expires_at,
    tries_left = excluded.tries_left
WHERE $6::timestamptz IS NULL OR c.requested_at <= $6
RETURNING 1
"""
_TAKE_TRY = """
UPDATE sign_in_codes SET tries_left = tries_left - 1
WHERE number = $1 AND tries_left > 0 AND expires_at > $2
RETURNING code_hash
"""
# The row stays, so that the next request still keeps its distance.
_CONSUME = "UPDATE sign_in_codes SET tries_left = 0, code_hash = ''::bytea WHERE number = $1"


class RequestedCode(msgspec.Struct, frozen=True):
    code: str
    expires_at: datetime
    next_request_at: datetime

    def __repr__(self) -> str:
        return "RequestedCode(…)"


async def request_code(
    database: Database,
    tokens: Tokens,
    sms: SmsSender,
    number: str,
    *,
    address: str,
    language: str | None,
    now: datetime,
) -> RequestedCode:
    """Store a new code for the number, then send it. A code that could not be sent stays, of no use
    to anybody.

    Raises:
        Refused: RATE_LIMITED, and nothing is stored or sent; UNAVAILABLE when it cannot be sent.
    """
    limits = tokens.limits
    if is_paid_number(number):
        raise invalid("No codes are sent to numbers of this kind.", "phoneNumber")
    requested = RequestedCode(
        code=f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}",
        expires_at=now + timedelta(seconds=limits.code_ttl_s),
        next_request_at=now + timedelta(seconds=limits.code_interval_s),
    )
    async with database.transaction() as connection:
        await _replace(connection, tokens, number, requested, now)
        await require_left(connection, _wrong_codes(number, limits), now=now)
        await spend(connection, _request_charges(number, address, limits), now=now)
    await sms.send(number, code_text(requested.code, language, ttl_s=limits.code_ttl_s))
    return requested


async def _replace(
    connection: Connection, tokens: Tokens, number: str, requested: RequestedCode, now: datetime
) -> None:
    interval = timedelta(seconds=tokens.limits.code_interval_s)
    replaced = await connection.fetchval(
        _REPLACE,
        number,
        tokens.hash_code(number, requested.code),
        now,
        requested.expires_at,
        tokens.limits.code_tries,
        now - interval if interval else None,
    )
    if not replaced:
        before = await connection.fetchval(
            "SELECT requested_at FROM sign_in_codes WHERE number = $1", number
        )
        wait = before + interval - now
        raise Refused(
            RefusalCode.RATE_LIMITED,
            "A code was asked for a moment ago.",
            retry_after_ms=max(1, int(wait.total_seconds() * 1000) + 1),
        )


async def try_code(
    connection: Connection, tokens: Tokens, number: str, code: str, *, now: datetime
) -> Refused | None:
    """Take one guess within the caller's transaction; a right one uses the code up. None means
    right.

    The refusal is answered, not raised, since the transaction must commit: a wrong guess counts. It
    may only be told to the client after the commit. What rolls the transaction back leaves the code
    as it was.

    Raises:
        Refused: RATE_LIMITED, and the guess was not compared.
    """
    limits = tokens.limits
    code_hash = await connection.fetchval(_TAKE_TRY, number, now)
    if code_hash is None:
        # As much work as for a code that is there.
        tokens.code_matches(b"", number, code)
        return Refused(
            RefusalCode.CODE_EXPIRED,
            "There is no code in force for this number; ask for a new one.",
        )
    await require_left(connection, _wrong_codes(number, limits), now=now)
    if not tokens.code_matches(code_hash, number, code):
        await spend(connection, [_wrong_codes(number, limits)], now=now)
        return Refused(RefusalCode.CODE_WRONG, "The code is not the one that was sent.")
    await connection.execute(_CONSUME, number)
    return None


def require_code_shape(code: str) -> None:
    """A code that cannot be right costs no try.

    Raises:
        Refused: INVALID_INPUT.
    """
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
        raise invalid(f"A code has {CODE_DIGITS} digits.", "code")


def _wrong_codes(number: str, limits: Limits) -> Charge:
    return Charge(
        f"wrong-codes:{number}",
        limits.wrong_codes_per_number,
        "Too many wrong codes for this number; wait.",
    )


def _request_charges(number: str, address: str, limits: Limits) -> list[Charge]:
    """From the narrowest to the one row that all requests share, which is so locked for the
    shortest time.
    """
    reason = "Too many codes were asked for; wait."
    return [
        Charge(f"codes:number:{number}", limits.codes_per_number, reason),
        Charge(f"codes:address:{address_key(address)}", limits.codes_per_address, reason),
        # Numbers alike but for the last four digits: who pumps SMS walks through them.
        Charge(f"codes:prefix:{number[:-4]}", limits.codes_per_prefix, reason),
        Charge("codes:overall", limits.codes_overall, reason),
    ]
