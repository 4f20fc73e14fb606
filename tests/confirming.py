"""Confirming a mail address as its owner does, without reading the mail."""

from datetime import UTC, datetime

from models.postgresql.database import Database
from models.push.mails import confirm_mail, digest_of
from models.tokens import Tokens
from tests.make import Person


async def find_code(database: Database, tokens: Tokens, person: Person, address: str) -> str:
    """Return the code that is, or would be, in the mail."""
    nonce = await database.fetchval(
        "SELECT nonce FROM push_mails WHERE user_id = $1 AND digest = $2",
        person.user.id,
        digest_of(address),
    )
    return tokens.make_mail_code(person.user.id, address, nonce)


async def confirm(database: Database, tokens: Tokens, person: Person, address: str) -> None:
    code = await find_code(database, tokens, person, address)
    await confirm_mail(database, tokens, person.user.id, address, code, now=datetime.now(UTC))
