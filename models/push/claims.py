"""Claim views for push jobs, for many jobs at once.

The job is begun first (`due_at` is cleared), then the log is read, in statements of their own: who
wants a push after that queues another job. Two jobs of one view never run at the same time: the
second finds the view claimed, and comes back later.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import fetch_lanes, split_lanes
from models.push.addresses import PushAddress, decode_address
from models.push.settings import SETTINGS_COLUMNS, PushSettings, settings_of
from models.push.states import PushKey, key_of, write_again


class Claim(msgspec.Struct):
    """A job that has begun: the device as it is. No endpoint: it was forgotten, or its device has
    ended.
    """

    key: PushKey
    shown_seq: int
    # As of which edit it is shown.
    shown_edited_at: datetime | None
    # How far this device has the log.
    device_seq: int
    failures: int
    address: PushAddress | None
    settings: PushSettings


# $1 to $3 are parallel, one element a job. The endpoint is none once the session is over, and
# until it is confirmed.
_CLAIM = f"""
UPDATE push_states s SET due_at = NULL, claimed_at = now()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS x (user_id, device_id, channel_id)
JOIN devices v ON v.user_id = ANY ($1) AND v.user_id = x.user_id AND v.id = x.device_id
LEFT JOIN push_endpoints e ON e.user_id = ANY ($1) AND e.user_id = x.user_id
    AND e.device_id = x.device_id AND e.confirmed AND v.revoked_at IS NULL
    AND v.refreshed_at > now() - make_interval(secs => $5)
LEFT JOIN push_settings p ON p.user_id = ANY ($1) AND p.user_id = x.user_id
    AND p.device_id = x.device_id
LEFT JOIN device_positions d ON d.user_id = ANY ($1) AND d.user_id = x.user_id
    AND d.device_id = x.device_id AND d.channel_id = x.channel_id
WHERE s.user_id = ANY ($1) AND s.user_id = x.user_id AND s.device_id = x.device_id
  AND s.channel_id = x.channel_id
  AND (s.claimed_at IS NULL OR s.claimed_at < now() - make_interval(secs => $4))
RETURNING s.user_id, s.device_id, s.channel_id, s.shown_seq, s.shown_edited_at,
    coalesce(d.delivered_seq, 0) AS device_seq, s.failures, e.address, {SETTINGS_COLUMNS}
"""


async def claim_pushes(
    database: Database, keys: Sequence[PushKey], *, limits: Limits
) -> dict[PushKey, Claim]:
    """Begin these jobs, each of another view. Those whose view is gone, or at which another job is,
    are left out.

    Raises:
        Refused: UNAVAILABLE.
    """

    async def write(connection: Connection) -> list[asyncpg.Record]:
        rows = []
        for lane in split_lanes(database, sorted(keys), _user_of):
            rows += await connection.fetch(
                _CLAIM, *_columns(lane), limits.push_claim_s, limits.refresh_token_ttl_s
            )
        return rows

    claims = [_claim_of(row) for row in await write_again(database, write)]
    return {claim.key: claim for claim in claims}


async def renew_claims(database: Database, keys: Sequence[PushKey]) -> None:
    """Say that these jobs are still at work: a claim is a lease, and others take what is not
    renewed. Those that are just let go are passed over.

    Raises:
        Refused: UNAVAILABLE.
    """
    await fetch_lanes(
        database,
        """
        WITH k AS MATERIALIZED (
            SELECT c.user_id, c.device_id, c.channel_id
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS x (user_id, device_id, channel_id)
            JOIN push_states c ON c.user_id = ANY ($1) AND c.user_id = x.user_id
                AND c.device_id = x.device_id AND c.channel_id = x.channel_id
            WHERE c.claimed_at IS NOT NULL
            FOR UPDATE OF c SKIP LOCKED
        )
        UPDATE push_states s SET claimed_at = now() FROM k
        WHERE s.user_id = ANY ($1) AND s.user_id = k.user_id AND s.device_id = k.device_id
          AND s.channel_id = k.channel_id
        """,
        keys,
        _columns,
        lane_of=_user_of,
    )


def _user_of(key: PushKey) -> str:
    return key.user_id


def _columns(keys: Sequence[PushKey]) -> tuple[list[str], list[str], list[str]]:
    return (
        [key.user_id for key in keys],
        [key.device_id for key in keys],
        [key.channel_id for key in keys],
    )


def _claim_of(row: asyncpg.Record) -> Claim:
    return Claim(
        key_of(row),
        row["shown_seq"],
        row["shown_edited_at"],
        row["device_seq"],
        row["failures"],
        None if row["address"] is None else decode_address(row["address"]),
        settings_of(row),
    )


async def list_views(database: Database, user_id: str, device_id: str) -> list[PushKey]:
    """List the device's views of channels in which messages came since it was last shown any."""
    rows = await database.fetch(
        "SELECT user_id, device_id, channel_id FROM push_states "
        "WHERE user_id = $1 AND device_id = $2 AND wanted_seq > shown_seq",
        user_id,
        device_id,
    )
    return [key_of(row) for row in rows]


async def find_last_shown_at(database: Database, user_id: str, device_id: str) -> datetime | None:
    """Return when the device was last shown anything of any channel; None if it never was."""
    at = await database.fetchval(
        "SELECT max(shown_at) FROM push_states WHERE user_id = $1 AND device_id = $2",
        user_id,
        device_id,
    )
    return at if isinstance(at, datetime) else None
