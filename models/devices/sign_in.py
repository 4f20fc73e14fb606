"""Sign-in: a code becomes an account (the first time) and a device with its first token pair.

The guess, the use of the code, the account and the device are one transaction: after a failure the
code is as it was and can be tried again, and no user is left without a device. Guesses at one code
wait for each other at its row, so a right code makes one session. Two first sign-ins of one number
make one user, since the number's row is claimed once.
"""

from datetime import datetime

import msgspec

from models import ids
from models.devices.codes import try_code
from models.devices.devices import FIRST_GENERATION, Platform, create_device
from models.devices.known_networks import note_network
from models.devices.sessions import Session
from models.limits.budgets import Charge, address_key, spend
from models.limits.limits import Limits
from models.names import require_name
from models.postgresql.database import Connection, Database
from models.refusals import RefusalCode
from models.text import require_code_shape
from models.tokens import Tokens
from models.users.phone_numbers import claim_number
from models.users.users import NAMELESS, USER_COLUMNS, User, create_user, user_of


class SignIn(msgspec.Struct, frozen=True):
    """The arguments of `signIn`."""

    number: str
    request_secret: str
    code: str
    device_name: str
    platform: Platform
    # Used for a new account only.
    name: str | None = None

    def __repr__(self) -> str:
        return "SignIn(…)"


async def sign_in(
    database: Database, tokens: Tokens, asked: SignIn, *, address: str, now: datetime
) -> Session:
    """Trade a code for a session; make the account at the first sign-in of a number.

    Raises:
        Refused: INVALID_INPUT, CODE_WRONG, CODE_EXPIRED; RATE_LIMITED after too many tries from one
            address without a code in force.
    """
    limits = tokens.limits
    device_name = require_name(asked.device_name, "device.name", limits.name_length)
    name = NAMELESS if asked.name is None else require_name(asked.name, "name", limits.name_length)
    require_code_shape(asked.code)
    async with database.transaction() as connection:
        refused = await try_code(
            connection, tokens, asked.number, asked.request_secret, asked.code, now=now
        )
        if refused is None:
            user, is_new = await _get_or_create_user(connection, asked.number, name, now)
            await note_network(connection, tokens, user.id, address, now=now)
            session = await _open_session(
                database, connection, tokens, user, is_new, device_name, asked.platform, now
            )
        elif refused.code is RefusalCode.CODE_EXPIRED:
            # Charged only where no code is in force, since a code bounds its own guesses. So
            # others behind the same address keep nobody who has a code from using it.
            await spend(connection, [_sign_in_charge(address, limits)], now=now)
    if refused is not None:
        raise refused
    return session


async def _get_or_create_user(
    connection: Connection, number: str, name: str, now: datetime
) -> tuple[User, bool]:
    """Return the owner of the number, and whether they were created by this call."""
    new_id = ids.new_id()
    user_id = await claim_number(connection, number, new_id)
    if user_id == new_id:
        return await create_user(connection, user_id, name, now=now), True
    row = await connection.fetchrow(f"SELECT {USER_COLUMNS} FROM users WHERE id = $1", user_id)
    assert row is not None  # the number's row and the user's were made in one transaction
    return user_of(row), False


async def _open_session(
    database: Database,
    connection: Connection,
    tokens: Tokens,
    user: User,
    is_new: bool,
    device_name: str,
    platform: Platform,
    now: datetime,
) -> Session:
    """Store a new device, and return its session."""
    device_id = ids.new_id()
    access_token, expires_at = tokens.make_access(user.id, device_id, FIRST_GENERATION, now=now)
    device = await create_device(
        database,
        connection,
        user.id,
        name=device_name,
        platform=platform,
        access_expires_at=expires_at,
        device_id=device_id,
        now=now,
    )
    return Session(
        access_token=access_token,
        access_token_expires_at=expires_at,
        refresh_token=tokens.make_refresh(user.id, device_id, FIRST_GENERATION),
        user=user,
        device=device,
        is_new_user=is_new,
    )


def _sign_in_charge(address: str, limits: Limits) -> Charge:
    return Charge(
        f"sign-ins:address:{address_key(address)}",
        limits.sign_ins_per_address,
        "Too many sign-ins were tried from here; wait.",
    )
