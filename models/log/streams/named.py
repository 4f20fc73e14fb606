"""Named streams of the inbox: what each local store of a device (a tab, an app) has acknowledged.

A stream is named by its client. The row holds where the device stood when the name was first used,
and what was acknowledged under it since. Only an acknowledgement changes that: what was written to
a connection may not have arrived. A stream that was forgotten (the device has used more of them
since, or it was not used for long) keeps its name, so that its client is told, and not left with a
gap.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import msgspec

from models.limits.limits import Limits
from models.log.streams.cursors import StreamPositions
from models.postgresql.database import Database
from models.refusals import unavailable
from models.text import require_text

# A subscription writes that its stream is in use when that was last written so long ago.
_NOTE_USE_AFTER = timedelta(hours=1)
# Names that are kept of one device, those of forgotten streams included.
NAMES_PER_DEVICE = 100
# An acknowledgement is merged into what is stored; so often, where others do so at the same time.
_TRIES = 8


class InboxStart(msgspec.Struct, frozen=True):
    """What the client of an inbox passes: seqs by channel id, or a cursor; the name of its stream;
    and in how many seconds it is to be told how far the stream has got, None for never.
    """

    after: Mapping[str, int] = {}
    cursor: str | None = None
    stream_id: str | None = None
    heartbeat_s: float | None = None


class StreamName(NamedTuple):
    """Whose stream it is, at which device, and what the client calls it."""

    user_id: str
    device_id: str
    stream_id: str


def require_stream_id(stream_id: str, limits: Limits) -> str:
    """Return the name unchanged, if a stream may have it.

    Raises:
        Refused: INVALID_INPUT.
    """
    return require_text(stream_id, "streamId", limits.stream_id_length, min_length=1)


class NamedStream(msgspec.Struct, frozen=True):
    """What is stored of a stream.

    `began` is where the device stood, None once it is forgotten; `acknowledged` None while nothing
    was.
    """

    began: StreamPositions | None
    acknowledged: StreamPositions | None
    used_at: datetime
    # As it is stored, to compare.
    packed: bytes | None = None

    @property
    def forgotten(self) -> bool:
        return self.began is None


def _stream_of(row: asyncpg.Record, kept: timedelta, now: datetime) -> NamedStream:
    packed = row["acknowledged"]
    if row["began"] is None or row["used_at"] < now - kept:
        return NamedStream(None, None, row["used_at"], packed)
    acknowledged = None if packed is None else StreamPositions.unpack(packed)
    return NamedStream(StreamPositions.unpack(row["began"]), acknowledged, row["used_at"], packed)


class Streams:
    """Reads and writes the named streams of devices."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._kept = timedelta(days=limits.stream_kept_days)

    async def find(self, name: StreamName, *, now: datetime) -> NamedStream | None:
        row = await self._database.fetchrow(
            "SELECT began, acknowledged, used_at FROM inbox_streams "
            "WHERE user_id = $1 AND device_id = $2 AND stream_id = $3",
            *name,
        )
        return None if row is None else _stream_of(row, self._kept, now)

    async def open(
        self, name: StreamName, *, device_positions: Mapping[str, int], now: datetime
    ) -> NamedStream:
        """Return the stream of a name that is new: it begins where the device stands.

        Raises:
            Refused: UNAVAILABLE.
        """
        await self._insert(name, device_positions, now)
        await self._forget_the_oldest(name)
        # Somebody else may have made it at the same time: the first one holds.
        stream = await self.find(name, now=now)
        if stream is None:
            raise unavailable()
        return stream

    async def _insert(
        self, name: StreamName, device_positions: Mapping[str, int], now: datetime
    ) -> None:
        await self._database.execute(
            "INSERT INTO inbox_streams (user_id, device_id, stream_id, began, used_at) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            *name,
            StreamPositions.of(device_positions).pack(),
            now,
        )

    async def note_use(self, name: StreamName, stream: NamedStream, *, now: datetime) -> None:
        """Keep the stream for longer: its client follows it again."""
        if stream.forgotten or stream.used_at > now - _NOTE_USE_AFTER:
            return
        await self._database.execute(
            "UPDATE inbox_streams SET used_at = $4 "
            "WHERE user_id = $1 AND device_id = $2 AND stream_id = $3 AND used_at < $4",
            *name,
            now,
        )

    async def _forget_the_oldest(self, name: StreamName) -> None:
        """Forget the streams that were used least recently, beyond those that a device may have.
        The one named was used just now.
        """
        rows = await self._database.fetch(
            "SELECT stream_id, began IS NOT NULL AS kept FROM inbox_streams "
            "WHERE user_id = $1 AND device_id = $2 AND stream_id <> $3 "
            "ORDER BY used_at DESC, stream_id",
            *name,
        )
        others = self._limits.streams_per_device - 1
        kept = [row["stream_id"] for row in rows if row["kept"]]
        if len(kept) > others:
            await self._database.execute(
                "UPDATE inbox_streams SET began = NULL, acknowledged = NULL "
                "WHERE user_id = $1 AND device_id = $2 AND stream_id = ANY ($3)",
                name.user_id,
                name.device_id,
                kept[others:],
            )
        if len(rows) >= NAMES_PER_DEVICE:
            await self._database.execute(
                "DELETE FROM inbox_streams "
                "WHERE user_id = $1 AND device_id = $2 AND stream_id = ANY ($3)",
                name.user_id,
                name.device_id,
                [row["stream_id"] for row in rows[NAMES_PER_DEVICE - 1 :]],
            )

    async def acknowledge(
        self, name: StreamName, positions: StreamPositions, *, now: datetime
    ) -> None:
        """Remember what the stream has stored; never back. A stream that is not known, or was
        forgotten, is known again: the positions are all that it has.

        Raises:
            Refused: UNAVAILABLE.
        """
        for _ in range(_TRIES):
            stream = await self.find(name, now=now)
            known = stream is not None and stream.acknowledged
            merged = known.merge(positions) if known else positions
            if await self._write(name, stream, merged, now):
                if stream is None or stream.forgotten:
                    await self._forget_the_oldest(name)
                return
        raise unavailable()

    async def _write(
        self,
        name: StreamName,
        before: NamedStream | None,
        merged: StreamPositions,
        now: datetime,
    ) -> bool:
        """Store the positions, unless others were stored since the stream was read."""
        written = await self._database.fetchval(
            """
            INSERT INTO inbox_streams AS s
                (user_id, device_id, stream_id, began, acknowledged, used_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (user_id, device_id, stream_id) DO UPDATE SET
                began = coalesce(s.began, excluded.began),
                acknowledged = excluded.acknowledged,
                used_at = greatest(s.used_at, excluded.used_at)
            WHERE s.acknowledged IS NOT DISTINCT FROM $7
            RETURNING 1
            """,
            *name,
            StreamPositions().pack(),
            merged.pack(),
            now,
            None if before is None else before.packed,
        )
        return bool(written)
