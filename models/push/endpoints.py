"""Push endpoints: where a device that follows nothing is reached. One a device; it ends with it.

A token (APNs, FCM, Web Push) belongs to the device that set it last: a browser or phone that
somebody else signs in on gives the same token, and must not get what is pushed to the one before.
Locks are taken in the order device, address, endpoint.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from models.jobs.due import transaction_with_jobs
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.push.addresses import (
    EmailAddress,
    PushAddress,
    SmsAddress,
    decode_address,
    encode_address,
    find_token_digest,
    kind_of,
)
from models.push.mails import admit_mail
from models.refusals import invalid, not_found

_LIMITS = Limits()


async def set_endpoint(
    database: Database,
    user_id: str,
    device_id: str,
    address: PushAddress | None,
    *,
    now: datetime,
    limits: Limits = _LIMITS,
) -> None:
    """Give the device this one endpoint, or none. Its shape was checked. To a mail address that the
    user has not confirmed a code is sent, and nothing else.

    Raises:
        Refused: NOT_FOUND when the device has ended; INVALID_INPUT for a phone number of somebody
            else, and for a mail address that wants no mail; RATE_LIMITED for too many codes.
    """
    async with transaction_with_jobs(database) as (connection, due):
        alive = await connection.fetchval(
            "SELECT 1 FROM devices WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL "
            "FOR NO KEY UPDATE",
            user_id,
            device_id,
        )
        if not alive:
            raise not_found("There is no such device.")
        if isinstance(address, SmsAddress):
            await _require_own_number(connection, user_id, address.phone_number)
        confirmed = True
        if isinstance(address, EmailAddress):
            mail = address.address
            confirmed = await admit_mail(connection, due, user_id, mail, limits=limits, now=now)
        before = await _find_address(connection, user_id, device_id)
        if before == address:
            return
        if before is not None and (address is None or kind_of(before) is not kind_of(address)):
            await end_endpoint(connection, user_id, device_id)
        elif before is not None:
            await _release(connection, before, user_id, device_id)
        if address is not None:
            await _write(connection, user_id, device_id, address, confirmed, now)


async def _require_own_number(connection: Connection, user_id: str, number: str) -> None:
    own = await connection.fetchval(
        "SELECT number FROM user_phone_numbers WHERE user_id = $1", user_id
    )
    if own != number:
        raise invalid("Only the viewer's own number can be pushed to.", "sms.phoneNumber")


async def _find_address(connection: Connection, user_id: str, device_id: str) -> PushAddress | None:
    found = await connection.fetchval(
        "SELECT address FROM push_endpoints WHERE user_id = $1 AND device_id = $2",
        user_id,
        device_id,
    )
    return None if found is None else decode_address(found)


async def _write(
    connection: Connection,
    user_id: str,
    device_id: str,
    address: PushAddress,
    confirmed: bool,
    now: datetime,
) -> None:
    digest = find_token_digest(address)
    if digest is not None:
        await _claim(connection, digest, user_id, device_id)
    await connection.execute(
        """
        INSERT INTO push_endpoints (user_id, device_id, kind, address, confirmed, set_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (user_id, device_id) DO UPDATE SET
            kind = excluded.kind, address = excluded.address, confirmed = excluded.confirmed,
            set_at = excluded.set_at
        """,
        user_id,
        device_id,
        kind_of(address).value,
        encode_address(address),
        confirmed,
        now,
    )


async def _claim(connection: Connection, digest: bytes, user_id: str, device_id: str) -> None:
    """Make the token this device's, and take it from the one that had it."""
    # A row that is there is locked by the INSERT, whoever wins.
    await connection.execute(
        "INSERT INTO push_addresses AS a (digest, user_id, device_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (digest) DO UPDATE SET digest = a.digest",
        digest,
        user_id,
        device_id,
    )
    owner = await connection.fetchrow(
        "SELECT user_id, device_id FROM push_addresses WHERE digest = $1", digest
    )
    assert owner is not None
    if owner["device_id"] != device_id:
        await connection.execute(
            "UPDATE push_addresses SET user_id = $2, device_id = $3 WHERE digest = $1",
            digest,
            user_id,
            device_id,
        )
        await _delete_rows(connection, owner["user_id"], owner["device_id"])


async def _release(
    connection: Connection, address: PushAddress, user_id: str, device_id: str
) -> None:
    await connection.execute(
        "DELETE FROM push_addresses WHERE digest = $1 AND user_id = $2 AND device_id = $3",
        find_token_digest(address),
        user_id,
        device_id,
    )


async def _delete_rows(connection: Connection, user_id: str, device_id: str) -> None:
    for table in ("push_endpoints", "push_states"):
        await connection.execute(
            f"DELETE FROM {table} WHERE user_id = $1 AND device_id = $2", user_id, device_id
        )


async def end_endpoint(connection: Connection, user_id: str, device_id: str) -> None:
    """Forget the device's endpoint, and what was shown there; in the caller's transaction."""
    before = await _find_address(connection, user_id, device_id)
    if before is not None:
        await _release(connection, before, user_id, device_id)
    await _delete_rows(connection, user_id, device_id)


async def end_push(connection: Connection, user_id: str, device_id: str) -> None:
    """All that push knows of a device that ends; in the caller's transaction."""
    await end_endpoint(connection, user_id, device_id)
    await connection.execute(
        "DELETE FROM push_settings WHERE user_id = $1 AND device_id = $2", user_id, device_id
    )


class DeadEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that its provider knows no more, and the address that was tried."""

    user_id: str
    device_id: str
    address: PushAddress


async def prune_endpoints(database: Database, dead: Sequence[DeadEndpoint]) -> None:
    """Forget endpoints, but those that were set anew since."""
    for each in sorted(dead, key=lambda each: each.device_id):
        async with database.transaction() as connection:
            # The same locks in the same order as whoever sets one.
            await connection.execute(
                "SELECT FROM devices WHERE user_id = $1 AND id = $2 FOR NO KEY UPDATE",
                each.user_id,
                each.device_id,
            )
            if await _find_address(connection, each.user_id, each.device_id) == each.address:
                await end_endpoint(connection, each.user_id, each.device_id)
