"""The settings of a device's pushes: what a push shows, mentions in muted channels, and quiet
hours.

Quiet hours are wall-clock times of a time zone: where clocks change, they change with them.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from models.jobs.due import transaction_with_jobs
from models.postgresql.database import Connection, Database
from models.push.states import hasten_pushes
from models.refusals import invalid

DAY_MINUTES = 24 * 60
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
# An area and a place, as in the IANA database; files that merely lie beside it have no area.
_ZONE = re.compile(r"UTC|[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){1,2}")


class PushPreview(IntEnum):
    """How much of a message a push shows."""

    NOTHING = 1
    SENDER = 2
    MESSAGE = 3


class QuietHours(msgspec.Struct, frozen=True):
    """From one minute of the day until another, in the time zone; over midnight where it ends
    before it begins.
    """

    from_minute: int
    until_minute: int
    time_zone: str


class PushSettings(msgspec.Struct, frozen=True):
    preview: PushPreview = PushPreview.MESSAGE
    mentions_when_muted: bool = True
    quiet_hours: QuietHours | None = None


class PushSettingsChanges(msgspec.Struct, frozen=True):
    """What `setPushSettings` was given: UNSET keeps; None clears the quiet hours."""

    preview: PushPreview | UnsetType = UNSET
    mentions_when_muted: bool | UnsetType = UNSET
    quiet_hours: QuietHours | None | UnsetType = UNSET


DEFAULTS = PushSettings()

# Of a LEFT JOIN, `p` being push_settings.
SETTINGS_COLUMNS = "p.preview, p.mentions_when_muted, p.quiet_from, p.quiet_until, p.time_zone"


def settings_of(row: asyncpg.Record) -> PushSettings:
    """Return the settings in a row that holds `SETTINGS_COLUMNS`."""
    if row["preview"] is None:
        return DEFAULTS
    quiet = None
    if row["quiet_from"] is not None:
        quiet = QuietHours(row["quiet_from"], row["quiet_until"], row["time_zone"])
    return PushSettings(PushPreview(row["preview"]), row["mentions_when_muted"], quiet)


def parse_quiet_hours(from_time: str, until_time: str, time_zone: str) -> QuietHours:
    """Read quiet hours from times as "22:00" and a time zone's name.

    Raises:
        Refused: INVALID_INPUT naming the field: no time of the day, no time zone, or no time
            between the two.
    """
    from_minute = _parse_time(from_time, "quietHours.from")
    until_minute = _parse_time(until_time, "quietHours.until")
    if from_minute == until_minute:
        raise invalid("Quiet hours end at another time than they begin.", "quietHours.until")
    if _find_zone(time_zone) is None:
        raise invalid("This is no time zone of the IANA database.", "quietHours.timeZone")
    return QuietHours(from_minute, until_minute, time_zone)


def _parse_time(text: str, field: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise invalid("A time of the day is written 22:00.", field)
    return int(found[1]) * 60 + int(found[2])


def print_time(minute: int) -> str:
    """Print a minute of the day as "22:00"."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _find_zone(name: str) -> ZoneInfo | None:
    if len(name) > 64 or not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def quiet_until(quiet: QuietHours | None, now: datetime) -> datetime | None:
    """Return when the quiet hours end that `now` lies in; None when it lies in none, or when this
    machine no longer knows the time zone.
    """
    zone = _find_zone(quiet.time_zone) if quiet else None
    if quiet is None or zone is None:
        return None
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    since_began = (minute - quiet.from_minute) % DAY_MINUTES
    if since_began >= (quiet.until_minute - quiet.from_minute) % DAY_MINUTES:
        return None
    day = local.date() + timedelta(days=int(minute >= quiet.until_minute))
    ends = datetime(
        day.year, day.month, day.day, *divmod(quiet.until_minute, 60), tzinfo=zone
    ).astimezone(UTC)
    # Where clocks go back within the quiet hours, their end may lie in the past for an hour.
    return ends if ends > now else now + timedelta(minutes=1)


async def set_push_settings(
    database: Database, user_id: str, device_id: str, changes: PushSettingsChanges
) -> None:
    """Change what was given; nothing for a device that has ended."""
    async with transaction_with_jobs(database) as (connection, jobs):
        alive = await connection.fetchval(
            "SELECT 1 FROM devices WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL FOR SHARE",
            user_id,
            device_id,
        )
        if alive:
            await _write(connection, user_id, device_id, changes)
            if changes.quiet_hours is not UNSET:
                await hasten_pushes(connection, jobs, user_id, device_id)


async def _write(
    connection: Connection, user_id: str, device_id: str, changes: PushSettingsChanges
) -> None:
    quiet = None if changes.quiet_hours is UNSET else changes.quiet_hours
    await connection.execute(
        """
        INSERT INTO push_settings AS p (
            user_id, device_id, preview, mentions_when_muted, quiet_from, quiet_until, time_zone
        )
        VALUES ($1, $2, coalesce($3::smallint, $9), coalesce($4::boolean, $10), $6, $7, $8)
        ON CONFLICT (user_id, device_id) DO UPDATE SET
            preview = coalesce($3, p.preview),
            mentions_when_muted = coalesce($4, p.mentions_when_muted),
            quiet_from = CASE WHEN $5 THEN $6 ELSE p.quiet_from END,
            quiet_until = CASE WHEN $5 THEN $7 ELSE p.quiet_until END,
            time_zone = CASE WHEN $5 THEN $8 ELSE p.time_zone END
        """,
        user_id,
        device_id,
        None if changes.preview is UNSET else changes.preview.value,
        None if changes.mentions_when_muted is UNSET else changes.mentions_when_muted,
        changes.quiet_hours is not UNSET,
        quiet.from_minute if quiet else None,
        quiet.until_minute if quiet else None,
        quiet.time_zone if quiet else None,
        DEFAULTS.preview.value,
        DEFAULTS.mentions_when_muted,
    )
