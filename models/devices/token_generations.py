"""Generations of a device's token pairs: which pair answers a refresh token.

A device's pairs are numbered; `generation` is the number of the newest pair that was issued. A
refresh with the newest token makes the next pair. A refresh with an older token is answered with
the pair that replaced it, always with the same refresh token, until `refresh_grace_s` after that
pair was first accepted (by a request with its access token, or a refresh with its refresh token).
After that, an old token is taken for stolen, and the device ends. The device's row is locked while
this is decided.
"""

from datetime import datetime, timedelta
from enum import Enum
from itertools import takewhile

import asyncpg
import msgspec

from models.devices.devices import DEVICE_COLUMNS, DEVICES, Device, device_of, end_device
from models.limits.limits import Limits
from models.media.media import picture_of
from models.postgresql.database import Connection, Database
from models.users.users import User

# So many earlier generations are remembered. If there are more within one grace period, the tokens
# of the oldest count as too late.
MAX_EARLIER = 16

_STANDING = f"""
SELECT {DEVICE_COLUMNS}, d.generation, d.generation_accepted_at, d.earlier_accepted_at,
    d.refreshed_at, d.revoked_at, u.name AS user_name, u.about, u.avatar
FROM {DEVICES} JOIN users u ON u.id = d.user_id
WHERE d.user_id = $1 AND d.id = $2 AND u.id = $1
"""


class DeviceStanding(msgspec.Struct):
    """The state of a device that decides whether its tokens are good, and whose device it is."""

    user: User
    device: Device
    generation: int
    generation_accepted_at: datetime | None
    # When earlier generations were first accepted, newest first. Those past the grace period are
    # dropped.
    earlier_accepted_at: list[datetime]
    last_active_at: datetime
    refreshed_at: datetime
    revoked: bool


async def find_standing(
    connection: Connection, user_id: str, device_id: str
) -> DeviceStanding | None:
    """Return the device's standing, also if it has ended; None if the user has no such device."""
    row = await connection.fetchrow(_STANDING, user_id, device_id)
    return None if row is None else _standing_of(row, user_id)


def _standing_of(row: asyncpg.Record, user_id: str) -> DeviceStanding:
    return DeviceStanding(
        user=User(user_id, row["user_name"], row["about"], picture_of(row["avatar"])),
        device=device_of(row, row["id"]),
        generation=row["generation"],
        generation_accepted_at=row["generation_accepted_at"],
        earlier_accepted_at=row["earlier_accepted_at"],
        last_active_at=row["last_active_at"],
        refreshed_at=row["refreshed_at"],
        revoked=row["revoked_at"] is not None,
    )


class RefreshEnd(Enum):
    """Why no pair answers a refresh token: its device had ended before (or never existed), or this
    use of the token ended it.
    """

    BEFORE = "before"
    BY_THIS = "by this"


def next_generation(
    standing: DeviceStanding, shown: int, *, limits: Limits, now: datetime
) -> int | None:
    """Return the generation whose pair answers a refresh token of generation `shown`; None if that
    token ends the device.
    """
    idle = now - standing.refreshed_at > timedelta(seconds=limits.refresh_token_ttl_s)
    if standing.revoked or idle or shown > standing.generation:
        return None
    if shown == standing.generation:
        return shown + 1
    accepted = [standing.generation_accepted_at, *standing.earlier_accepted_at]
    age = standing.generation - (shown + 1)
    if age >= len(accepted):
        return None
    accepted_at = accepted[age]
    if accepted_at is None or now - accepted_at <= timedelta(seconds=limits.refresh_grace_s):
        return shown + 1
    return None


def is_refreshed_away(
    standing: DeviceStanding, shown: int, *, limits: Limits, now: datetime
) -> bool:
    """Return whether the pair that replaced generation `shown` was accepted longer ago than the
    grace period. Then the access token of `shown` is not good any more, either.
    """
    if shown >= standing.generation:
        return False
    return next_generation(standing, shown, limits=limits, now=now) is None


async def advance_generation(
    database: Database,
    user_id: str,
    device_id: str,
    shown: int,
    *,
    access_expires_at: datetime,
    limits: Limits,
    now: datetime,
) -> tuple[int, DeviceStanding] | RefreshEnd:
    """Take a refresh token of generation `shown`; return the generation to answer with, and the
    device's standing before. A token that must not be used any more ends the device.

    The device's open sockets may then live until `access_expires_at`.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(_STANDING + " FOR UPDATE OF d", user_id, device_id)
        if row is None:
            return RefreshEnd.BEFORE
        standing = _standing_of(row, user_id)
        generation = next_generation(standing, shown, limits=limits, now=now)
        if generation is None:
            await end_device(connection, user_id, device_id)
            return RefreshEnd.BEFORE if standing.revoked else RefreshEnd.BY_THIS
        await _write_refresh(connection, standing, generation, access_expires_at, limits, now)
    return generation, standing


async def _write_refresh(
    connection: Connection,
    standing: DeviceStanding,
    answered: int,
    access_expires_at: datetime,
    limits: Limits,
    now: datetime,
) -> None:
    """Store that the pair of generation `answered` was issued at `now`."""
    generation, accepted_at = standing.generation, standing.generation_accepted_at
    earlier = standing.earlier_accepted_at
    if answered > generation:
        since = now - timedelta(seconds=limits.refresh_grace_s)
        kept = list(takewhile(lambda at: at >= since, [accepted_at or now, *earlier]))
        generation, accepted_at, earlier = answered, None, kept[:MAX_EARLIER]
    await connection.execute(
        "UPDATE devices SET generation = $3, generation_accepted_at = $4, "
        "earlier_accepted_at = $5, refreshed_at = $6, "
        "last_active_at = greatest(last_active_at, $6), "
        "access_expires_at = greatest(access_expires_at, $7) WHERE user_id = $1 AND id = $2",
        standing.user.id,
        standing.device.id,
        generation,
        accepted_at,
        earlier,
        now,
        access_expires_at,
    )


async def accept_generation(
    database: Database, user_id: str, device_id: str, generation: int, *, now: datetime
) -> None:
    """Store that a token of the newest pair was used, unless one was before."""
    await database.execute(
        "UPDATE devices SET generation_accepted_at = $4 "
        "WHERE user_id = $1 AND id = $2 AND generation = $3 AND generation_accepted_at IS NULL",
        user_id,
        device_id,
        generation,
        now,
    )
