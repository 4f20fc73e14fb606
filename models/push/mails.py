"""Mail addresses that a user wants digests at: nothing but a code goes there until they have given
the code back.

No code is stored, in the row or in the job that sends it: it follows from the row's nonce and the
server's secret. An address that was confirmed once is the user's on all their devices. How often a
code is sent is bounded by user and by mailbox, whoever asks, so that nobody's mailbox is flooded.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

import msgspec

from models.jobs.due import DueJobs
from models.limits.budgets import Charge, spend
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.push.addresses import PushEndpointKind
from models.refusals import RefusalCode, Refused, invalid
from models.text import require_code_shape
from models.tokens import Tokens

CODE_JOB = "push_mail_code"
_NONCE_BYTES = 16

_FIND = """
SELECT confirmed_at, refused_at, asked_at, expires_at > $3 AND tries_left > 0 AS in_force
FROM push_mails WHERE user_id = $1 AND digest = $2 FOR UPDATE
"""
# A code that is in force is sent again as it is: whichever mail arrives, it works.
_ASK = """
INSERT INTO push_mails AS m (user_id, digest, address, nonce, asked_at, expires_at, tries_left)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_id, digest) DO UPDATE SET
    nonce = CASE WHEN $8 THEN m.nonce ELSE excluded.nonce END,
    tries_left = CASE WHEN $8 THEN m.tries_left ELSE excluded.tries_left END,
    asked_at = excluded.asked_at,
    expires_at = excluded.expires_at
"""
_TAKE_TRY = """
UPDATE push_mails SET tries_left = tries_left - 1
WHERE user_id = $1 AND digest = $2 AND confirmed_at IS NULL AND refused_at IS NULL
  AND tries_left > 0 AND expires_at > $3
RETURNING nonce
"""
_CONFIRM = """
UPDATE push_mails SET confirmed_at = $3, nonce = ''::bytea, tries_left = 0
WHERE user_id = $1 AND digest = $2
"""
_ACTIVATE = f"""
UPDATE push_endpoints SET confirmed = true
WHERE user_id = $1 AND kind = '{PushEndpointKind.EMAIL.value}' AND address ->> 'address' = $2
"""


class MailTask(msgspec.Struct, frozen=True):
    """The payload of a job: whose address is written to."""

    u: str
    m: str

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.m)


class CodeMail(msgspec.Struct, frozen=True):
    """A code that is to be sent."""

    user_id: str
    address: str
    code: str
    # The same for one code, so that a mail that is sent twice names itself the same.
    id: str
    ttl_s: float

    def __repr__(self) -> str:
        return "CodeMail(…)"


def digest_of(address: str) -> bytes:
    return hashlib.sha256(address.encode()).digest()


def mailbox_of(address: str) -> str:
    """Return one text for the spellings of an address that lead to one mailbox at the large
    services: in small letters, without dots and what follows a plus.
    """
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"


async def admit_mail(
    connection: Connection,
    due: DueJobs,
    user_id: str,
    address: str,
    *,
    limits: Limits,
    now: datetime,
) -> bool:
    """Return whether the user has confirmed the address; else have a code sent there, unless one
    was a moment ago. In the caller's transaction, whose jobs are `due`.

    Raises:
        Refused: INVALID_INPUT where the owner of the mailbox wants no mail for this user;
            RATE_LIMITED for too many codes of a user, or to a mailbox.
    """
    digest = digest_of(address)
    row = await connection.fetchrow(_FIND, user_id, digest, now)
    if row is not None:
        if row["refused_at"] is not None:
            raise invalid("This address wants no mail from here.", "email.address")
        if row["confirmed_at"] is not None:
            return True
        if row["in_force"] and row["asked_at"] + _interval(limits) > now:
            return False
    await spend(connection, _charges(user_id, address, limits), now=now)
    await connection.execute(
        _ASK,
        user_id,
        digest,
        address,
        secrets.token_bytes(_NONCE_BYTES),
        now,
        now + timedelta(seconds=limits.push_mail_code_ttl_s),
        limits.code_tries,
        row is not None and row["in_force"],
    )
    due.add(CODE_JOB, [MailTask(user_id, digest.hex())])
    return False


def _interval(limits: Limits) -> timedelta:
    return timedelta(seconds=limits.push_mail_code_interval_s)


def _charges(user_id: str, address: str, limits: Limits) -> list[Charge]:
    by_user, by_mailbox = limits.push_mail_codes_per_user, limits.push_mail_codes_per_address
    mailbox = digest_of(mailbox_of(address)).hex()
    return [
        Charge(f"mail-codes:user:{user_id}", by_user, "Too many mail addresses for today."),
        Charge(f"mail-codes:mailbox:{mailbox}", by_mailbox, "Too many codes for this address."),
    ]


async def find_code_mail(
    database: Database, tokens: Tokens, user_id: str, digest: bytes, *, now: datetime
) -> CodeMail | None:
    """Return what to send; None when the code is in force no more, or no longer needed."""
    row = await database.fetchrow(
        "SELECT address, nonce, expires_at FROM push_mails WHERE user_id = $1 AND digest = $2 "
        "AND confirmed_at IS NULL AND refused_at IS NULL AND tries_left > 0 AND expires_at > $3",
        user_id,
        digest,
        now,
    )
    if row is None:
        return None
    nonce: bytes = row["nonce"]
    code = tokens.make_mail_code(user_id, row["address"], nonce)
    ttl_s = (row["expires_at"] - now).total_seconds()
    return CodeMail(user_id, row["address"], code, nonce.hex(), ttl_s)


async def confirm_mail(
    database: Database, tokens: Tokens, user_id: str, address: str, code: str, *, now: datetime
) -> None:
    """Take the code for the address, and let digests go there. Safe to repeat.

    Raises:
        Refused: INVALID_INPUT, CODE_WRONG, CODE_EXPIRED.
    """
    require_code_shape(code)
    digest = digest_of(address)
    async with database.transaction() as connection:
        refused = await _try_code(connection, tokens, user_id, address, code, now)
        if refused is None:
            await connection.execute(_CONFIRM, user_id, digest, now)
            await connection.execute(_ACTIVATE, user_id, address)
    if refused is not None and not await _is_confirmed(database, user_id, digest):
        raise refused


async def _try_code(
    connection: Connection, tokens: Tokens, user_id: str, address: str, code: str, now: datetime
) -> Refused | None:
    """Return the refusal, if any. It is not raised, since the transaction must commit: a wrong
    guess counts.
    """
    nonce = await connection.fetchval(_TAKE_TRY, user_id, digest_of(address), now)
    if nonce is None:
        return Refused(
            RefusalCode.CODE_EXPIRED,
            "No code is in force for this address; set it as the push endpoint once more.",
        )
    if not tokens.is_mail_code(user_id, address, nonce, code):
        return Refused(RefusalCode.CODE_WRONG, "The code is not the one that was sent.")
    return None


async def _is_confirmed(database: Database, user_id: str, digest: bytes) -> bool:
    found = await database.fetchval(
        "SELECT 1 FROM push_mails WHERE user_id = $1 AND digest = $2 AND confirmed_at IS NOT NULL",
        user_id,
        digest,
    )
    return bool(found)


async def end_mail(
    connection: Connection, user_id: str, digest: bytes, *, refuse: bool, now: datetime
) -> str | None:
    """Forget that the address was confirmed, in the caller's transaction. With `refuse`, where it
    is not, send none of this user's codes there either. Return the address; None when the user has
    not named it.
    """
    address: str | None = await connection.fetchval(
        "UPDATE push_mails SET confirmed_at = NULL, nonce = ''::bytea, tries_left = 0, "
        "refused_at = CASE WHEN $3 AND confirmed_at IS NULL THEN coalesce(refused_at, $4) "
        "ELSE refused_at END WHERE user_id = $1 AND digest = $2 RETURNING address",
        user_id,
        digest,
        refuse,
        now,
    )
    return address
