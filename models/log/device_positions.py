"""Positions of devices: where an inbox resumes in each channel. They only go forward."""

from collections.abc import Iterable, Sequence

import asyncpg
import msgspec

from models.log.group_commit.batch_writer import WRITE_WITHIN_S, Busy
from models.postgresql.database import Connection, Database
from models.postgresql.many_rows import ManyRows
from models.refusals import Refused

# A user, their device and a channel.
Key = tuple[str, str, str]


class DevicePosition(msgspec.Struct):
    """What a device has stored of a channel."""

    user_id: str
    device_id: str
    channel_id: str
    seq: int

    @property
    def key(self) -> Key:
        return self.user_id, self.device_id, self.channel_id


_POSITIONS = ManyRows(
    "INSERT INTO device_positions AS p (user_id, device_id, channel_id, delivered_seq)",
    "{user_id}, {device_id}, {channel_id}, {seq}",
    {"user_id": "uuid", "device_id": "uuid", "channel_id": "uuid", "seq": "integer"},
    """
    ON CONFLICT (user_id, device_id, channel_id)
    DO UPDATE SET delivered_seq = excluded.delivered_seq
    WHERE p.delivered_seq < excluded.delivered_seq
    """,
)

_STORED = """
SELECT p.user_id, p.device_id, p.channel_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS x (user_id, device_id, channel_id)
JOIN device_positions p ON p.user_id = x.user_id AND p.device_id = x.device_id
    AND p.channel_id = x.channel_id
"""


class DevicePositionWriter:
    """Writes positions of many devices in one statement. For one PostgreSQL: on Citus the rows of
    several users are on several servers.
    """

    def lane(self, item: DevicePosition) -> str:
        return item.user_id

    def lock_key(self, item: DevicePosition) -> Key:
        return item.key

    def identity(self, item: DevicePosition) -> Key:
        return item.key

    def absorb(self, leader: DevicePosition, follower: DevicePosition) -> None:
        leader.seq = max(leader.seq, follower.seq)

    def follow(
        self, leader: DevicePosition, result: int, follower: DevicePosition
    ) -> int | Refused | None:
        return result

    def weight(self, item: DevicePosition) -> int:
        return 1

    def note_again(self, item: DevicePosition) -> None:
        """Do nothing: what is written twice is as if it was written once."""

    async def write(
        self, connection: Connection, items: Sequence[DevicePosition], *, wait: bool
    ) -> Sequence[int | Refused | Busy]:
        """Write all, and return the seqs. Rows that others hold are looked for only where a lock
        was not to be had.
        """
        held: set[Key] = set()
        try:
            await _write(connection, items)
        except asyncpg.LockNotAvailableError:
            if wait or not (held := await _list_held(connection, items)):
                raise
            await _write(connection, [item for item in items if item.key not in held])
        return [Busy.BUSY if item.key in held else item.seq for item in items]


async def _write(connection: Connection, items: Iterable[DevicePosition]) -> None:
    # Rows are locked in the order of their keys.
    rows = sorted((*item.key, item.seq) for item in items)
    await _POSITIONS.write(connection, rows, is_distributed=False, within_s=WRITE_WITHIN_S)


async def _list_held(connection: Connection, items: Sequence[DevicePosition]) -> set[Key]:
    columns = [list(column) for column in zip(*(item.key for item in items), strict=True)]
    stored = await connection.fetch(_STORED, *columns, timeout=WRITE_WITHIN_S)
    free = await connection.fetch(
        f"{_STORED} FOR UPDATE OF p SKIP LOCKED", *columns, timeout=WRITE_WITHIN_S
    )
    return {tuple(row) for row in stored} - {tuple(row) for row in free}


async def advance_device(
    database: Database, user_id: str, device_id: str, positions: dict[str, int]
) -> None:
    """Remember where the device's inbox resumes, by channel; never back."""
    async with database.connection() as connection:
        await _POSITIONS.write(
            connection,
            [(user_id, device_id, *each) for each in sorted(positions.items())],
            is_distributed=database.is_distributed,
        )


async def advance_device_where_left(
    database: Database, user_id: str, device_id: str, positions: dict[str, int]
) -> None:
    """Do the same for channels that the user has left, up to the entry that took them out: once
    acknowledged, it is not replayed again. Other channels are passed over.
    """
    left = await database.fetch(
        "SELECT channel_id, left_seq FROM user_channels "
        "WHERE user_id = $1 AND channel_id = ANY ($2) AND left_seq IS NOT NULL",
        user_id,
        list(positions),
    )
    if left:
        ends = {row["channel_id"]: row["left_seq"] for row in left}
        reached = {each: min(positions[each], left_seq) for each, left_seq in ends.items()}
        await advance_device(database, user_id, device_id, reached)
