"""Devices: the signed-in installations of a user, from sign-in to their end.

A device ends when it signs out, when another device of its user revokes it, or when an old refresh
token is used (`models.devices.token_generations`). A device that ended never comes back.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

import asyncpg
import msgspec

from models.devices.revocations import note_revocation
from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import split_lanes
from models.postgresql.many_rows import ManyRows
from models.push.addresses import PushEndpointKind
from models.push.endpoints import end_push
from models.push.settings import DEFAULTS, SETTINGS_COLUMNS, PushSettings, settings_of
from models.refusals import not_found

# The generation of the token pair that a device gets at sign-in.
FIRST_GENERATION = 1


class Platform(Enum):
    """What a device runs on, by the words in the column `devices.platform`."""

    IOS = "IOS"
    ANDROID = "ANDROID"
    WEB = "WEB"
    DESKTOP = "DESKTOP"
    OTHER = "OTHER"


class PushEmail(msgspec.Struct, frozen=True):
    """The e-mail address of a device's push endpoint, and whether its owner has confirmed it."""

    address: str
    confirmed: bool

    def __repr__(self) -> str:
        return f"PushEmail(…, confirmed={self.confirmed})"


class Device(msgspec.Struct, frozen=True):
    """A signed-in device as its user sees it."""

    id: str
    name: str
    platform: Platform
    created_at: datetime
    last_active_at: datetime
    # Whether the current request comes from this device.
    is_current: bool
    push_endpoint: PushEndpointKind | None = None
    push_email: PushEmail | None = None
    push_settings: PushSettings = DEFAULTS


# Columns and tables of a query of devices, whose $1 is the user's id; `device_of` reads its rows.
DEVICE_COLUMNS = f"""d.id, d.name, d.platform, d.created_at, d.last_active_at,
e.kind AS push_kind,
CASE WHEN e.kind = '{PushEndpointKind.EMAIL.value}' THEN e.address ->> 'address' END AS push_mail,
e.confirmed AS push_confirmed, {SETTINGS_COLUMNS}"""
DEVICES = """devices d
LEFT JOIN push_endpoints e ON e.user_id = $1 AND e.device_id = d.id
LEFT JOIN push_settings p ON p.user_id = $1 AND p.device_id = d.id"""


def device_of(row: asyncpg.Record, current_id: str | None) -> Device:
    """Return the device of a row that holds `DEVICE_COLUMNS`; `current_id` is the one that asks."""
    return Device(
        id=row["id"],
        name=row["name"],
        platform=Platform(row["platform"]),
        created_at=row["created_at"],
        last_active_at=row["last_active_at"],
        is_current=row["id"] == current_id,
        push_endpoint=None if row["push_kind"] is None else PushEndpointKind(row["push_kind"]),
        push_email=(
            None if row["push_mail"] is None else PushEmail(row["push_mail"], row["push_confirmed"])
        ),
        push_settings=settings_of(row),
    )


async def create_device(
    database: Database,
    connection: Connection,
    user_id: str,
    *,
    name: str,
    platform: Platform,
    access_expires_at: datetime,
    device_id: str,
    now: datetime,
) -> Device:
    """Store a new device within the caller's transaction, with token generation 1. This generation
    counts as accepted, since no token came before it.
    """
    await connection.execute(
        "INSERT INTO devices (user_id, id, name, platform, created_at, last_active_at, generation, "
        "generation_accepted_at, refreshed_at, access_expires_at) "
        f"VALUES ($1, $2, $3, $4, $5, $5, {FIRST_GENERATION}, $5, $5, $6)",
        user_id,
        device_id,
        name,
        platform.value,
        now,
        access_expires_at,
    )
    await _write_positions(database, connection, user_id, device_id)
    return Device(device_id, name, platform, created_at=now, last_active_at=now, is_current=True)


_POSITIONS = ManyRows(
    "INSERT INTO device_positions (user_id, device_id, channel_id, delivered_seq)",
    "$3::uuid, $4::uuid, {channel_id}, {seq}",
    {"channel_id": "uuid", "seq": "integer"},
)


async def _write_positions(
    database: Database, connection: Connection, user_id: str, device_id: str
) -> None:
    """Store the new device's positions: at the end of every channel that the user is in, and where
    they left it for every other.
    """
    listed = await connection.fetch(
        "SELECT channel_id, left_seq FROM user_channels WHERE user_id = $1", user_id
    )
    if not listed:
        return
    ends = {row["channel_id"]: row["left_seq"] for row in listed}
    # Statements of their own: the two families share no join.
    present = [channel_id for channel_id, left_seq in ends.items() if left_seq is None]
    for lane in split_lanes(database, present, lambda channel_id: channel_id):
        heads = await connection.fetch(
            "SELECT id, last_seq FROM channels WHERE id = ANY($1::uuid[])", lane
        )
        ends |= {row["id"]: row["last_seq"] for row in heads}
    await _POSITIONS.write(
        connection,
        sorted(ends.items()),
        user_id,
        device_id,
        is_distributed=database.is_distributed,
    )


async def list_devices(
    database: Database, viewer: Viewer, *, limits: Limits, now: datetime
) -> list[Device]:
    """Return the viewer's signed-in devices: this one first, then the last active first."""
    rows = await database.fetch(
        f"SELECT {DEVICE_COLUMNS} FROM {DEVICES} WHERE d.user_id = $1 AND d.revoked_at IS NULL "
        "AND d.refreshed_at > $2 ORDER BY d.id <> $3, d.last_active_at DESC, d.id",
        viewer.user.id,
        now - timedelta(seconds=limits.refresh_token_ttl_s),
        viewer.device_id,
    )
    return [device_of(row, viewer.device_id) for row in rows]


async def find_device(database: Database, viewer: Viewer, device_id: str) -> Device | None:
    """Return one of the viewer's own signed-in devices, or None."""
    return (await find_devices(database, viewer, [device_id])).get(device_id)


async def find_devices(
    database: Database, viewer: Viewer, device_ids: Sequence[str]
) -> dict[str, Device]:
    """Return those of the devices, by id, that are the viewer's own and signed in."""
    rows = await database.fetch(
        f"SELECT {DEVICE_COLUMNS} FROM {DEVICES} "
        "WHERE d.user_id = $1 AND d.id = ANY ($2) AND d.revoked_at IS NULL",
        viewer.user.id,
        list(device_ids),
    )
    return {row["id"]: device_of(row, viewer.device_id) for row in rows}


async def touch_device(database: Database, user_id: str, device_id: str, *, now: datetime) -> None:
    """Store that the device was active at `now`, unless it was active later."""
    await database.execute(
        "UPDATE devices SET last_active_at = $3 "
        "WHERE user_id = $1 AND id = $2 AND last_active_at < $3",
        user_id,
        device_id,
        now,
    )


async def end_device(connection: Connection, user_id: str, device_id: str) -> bool:
    """End the device, and delete its positions, streams and push endpoint, within the caller's
    transaction.
    Return False if the user has no such device. Safe to repeat.
    """
    ended = await connection.fetchval(
        "UPDATE devices SET revoked_at = now() "
        "WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING 1",
        user_id,
        device_id,
    )
    if ended:
        await note_revocation(connection, user_id, device_id)
    else:
        ended = await connection.fetchval(
            "SELECT 1 FROM devices WHERE user_id = $1 AND id = $2", user_id, device_id
        )
    if ended:
        await connection.execute(
            "DELETE FROM device_positions WHERE user_id = $1 AND device_id = $2", user_id, device_id
        )
        await connection.execute(
            "DELETE FROM inbox_streams WHERE user_id = $1 AND device_id = $2", user_id, device_id
        )
        await end_push(connection, user_id, device_id)
    return bool(ended)


async def revoke_device(database: Database, user_id: str, device_id: str) -> None:
    """End one of the user's own devices. Safe to repeat.

    Raises:
        Refused: NOT_FOUND, also for the device of another user.
    """
    async with database.transaction() as connection:
        if not await end_device(connection, user_id, device_id):
            raise not_found("There is no such device.", "deviceId")


async def find_access_expiry(database: Database, user_id: str, device_id: str) -> datetime | None:
    """Return until when the device's open sockets may live; None if the device has ended."""
    expires_at = await database.fetchval(
        "SELECT access_expires_at FROM devices "
        "WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL",
        user_id,
        device_id,
    )
    return expires_at if isinstance(expires_at, datetime) else None
