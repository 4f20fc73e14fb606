"""Positions: how far members have got in a log. They only go forward, and never past the log."""

from collections.abc import Callable, Sequence, Set
from datetime import UTC, datetime

import asyncpg
import msgspec

from models.channels.refusals import no_such_channel
from models.log.group_commit.batch_writer import WRITE_WITHIN_S, Busy
from models.log.one_channel import is_for_one_channel
from models.log.outcomes import MoveOutcome
from models.messages.receipts import ReceiptKind
from models.postgresql.database import Connection
from models.postgresql.standby import WRITE_AHEAD
from models.refusals import Refused


class Move(msgspec.Struct):
    """What a member asks for in one channel: to move forward to these seqs; 0 for no move."""

    channel_id: str
    user_id: str
    delivered_seq: int = 0
    read_seq: int = 0
    # It may have been written before, without anybody having been told: the answer was lost.
    again: bool = False


class Moved(msgspec.Struct, frozen=True):
    """A member's positions after a move, and whether the move changed them. `shown_*` is what
    others are shown of them, after the move and before.
    """

    channel_id: str
    user_id: str
    delivered_seq: int
    read_seq: int
    moved: bool
    shown_delivered: int
    shown_read: int
    shown_delivered_before: int
    shown_read_before: int


class MoveWriter:
    """Writes batches of moves: short ones of one channel by `models/sql/advance_channel_v1.sql`, as
    all are where the database is distributed; others by `models/sql/advance_positions.sql`.

    Moves of one member that wait together become one. `on_moved` is called with each batch after
    its commit.
    """

    def __init__(
        self, on_moved: Callable[[Sequence[Moved]], None], *, is_distributed: bool = False
    ) -> None:
        self._on_moved = on_moved
        self._is_distributed = is_distributed

    def lane(self, item: Move) -> str:
        return item.channel_id

    def lock_key(self, item: Move) -> tuple[str, str]:
        return (item.channel_id, item.user_id)

    def identity(self, item: Move) -> tuple[str, str]:
        return (item.channel_id, item.user_id)

    def absorb(self, leader: Move, follower: Move) -> None:
        leader.delivered_seq = max(leader.delivered_seq, follower.delivered_seq)
        leader.read_seq = max(leader.read_seq, follower.read_seq)
        leader.again = leader.again or follower.again

    def follow(self, leader: Move, result: Moved, follower: Move) -> Moved | Refused | None:
        return result

    def weight(self, item: Move) -> int:
        return 1

    def note_again(self, item: Move) -> None:
        item.again = True

    async def write(
        self, connection: Connection, items: Sequence[Move], *, wait: bool
    ) -> Sequence[Moved | Refused | Busy]:
        channel_ids = {move.channel_id for move in items}
        if is_for_one_channel(channel_ids, items, is_distributed=self._is_distributed):
            rows = await _advance_in_channel(connection, items, wait)
        else:
            rows = await _advance_in_channels(connection, channel_ids, items, wait)
        results: list[Moved | Refused | Busy] = []
        for move, row in zip(items, rows, strict=True):
            if row["outcome"] == MoveOutcome.IN_FORCE:
                results.append(_moved(move, row))
            elif row["outcome"] == MoveOutcome.BUSY:
                results.append(Busy.BUSY)
            else:
                results.append(no_such_channel(None))
        moved = [result for result in results if isinstance(result, Moved)]
        again = {self.lock_key(move) for move in items if move.again}
        self._on_moved(await _before_the_last(connection, moved, again) if again else moved)
        return results


async def _advance_in_channel(
    connection: Connection, items: Sequence[Move], wait: bool
) -> list[asyncpg.Record]:
    # Rows are locked in the order of the members.
    places = sorted(range(len(items)), key=lambda place: items[place].user_id)
    in_order = [items[place] for place in places]
    rows = await connection.fetch(
        "SELECT * FROM advance_channel_v1($1, $2, $3, $4, $5, $6, $7)",
        items[0].channel_id,
        [m.user_id for m in in_order],
        [m.delivered_seq for m in in_order],
        [m.read_seq for m in in_order],
        datetime.now(UTC),
        wait,
        any(m.again for m in items),
        timeout=WRITE_WITHIN_S,
    )
    by_place = dict(zip(places, rows, strict=True))
    return [by_place[place] for place in range(len(items))]


async def _advance_in_channels(
    connection: Connection, channel_ids: Set[str], items: Sequence[Move], wait: bool
) -> list[asyncpg.Record]:
    if any(m.again for m in items):
        await connection.fetch(WRITE_AHEAD, timeout=WRITE_WITHIN_S)
    return await connection.fetch(
        "SELECT * FROM advance_positions($1, $2, $3, $4, $5, $6, $7)",
        sorted(channel_ids),
        [m.channel_id for m in items],
        [m.user_id for m in items],
        [m.delivered_seq for m in items],
        [m.read_seq for m in items],
        datetime.now(UTC),
        wait,
        timeout=WRITE_WITHIN_S,
    )


def _moved(move: Move, row: asyncpg.Record) -> Moved:
    """Read one row of either function whose move is in force."""
    return Moved(
        move.channel_id,
        move.user_id,
        delivered_seq=row["delivered_seq"],
        read_seq=row["read_seq"],
        moved=row["moved"],
        shown_delivered=row["shown_delivered"],
        shown_read=row["shown_read"],
        shown_delivered_before=row["shown_delivered_before"],
        shown_read_before=row["shown_read_before"],
    )


# $1 the channels, each once; the others are parallel: the last receipt of each kind before what is
# shown of a member now.
_BEFORE = f"""
SELECT coalesce(d.up_to_seq, 0) AS delivered, coalesce(r.up_to_seq, 0) AS read
FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::integer[])
    WITH ORDINALITY AS p (channel_id, user_id, delivered, read, ord)
LEFT JOIN LATERAL (
    SELECT x.up_to_seq FROM receipts x
    WHERE x.channel_id = ANY ($1) AND x.channel_id = p.channel_id AND x.user_id = p.user_id
      AND x.kind = {ReceiptKind.DELIVERED:d} AND x.up_to_seq < p.delivered
    ORDER BY x.up_to_seq DESC LIMIT 1
) d ON true
LEFT JOIN LATERAL (
    SELECT x.up_to_seq FROM receipts x
    WHERE x.channel_id = ANY ($1) AND x.channel_id = p.channel_id AND x.user_id = p.user_id
      AND x.kind = {ReceiptKind.READ:d} AND x.up_to_seq < p.read
    ORDER BY x.up_to_seq DESC LIMIT 1
) r ON true
ORDER BY p.ord
"""


async def _before_the_last(
    connection: Connection, moved: Sequence[Moved], again: Set[tuple[str, str]]
) -> list[Moved]:
    """Return the moves as they are to be told. A move that was written again, after its answer was
    lost, is told as if it had moved its member just now, from the receipt before the newest:
    telling twice does no harm, telling never does.
    """
    unsure = [m for m in moved if not m.moved and (m.channel_id, m.user_id) in again]
    if not unsure:
        return list(moved)
    rows = await connection.fetch(
        _BEFORE,
        sorted({m.channel_id for m in unsure}),
        [m.channel_id for m in unsure],
        [m.user_id for m in unsure],
        [m.shown_delivered for m in unsure],
        [m.shown_read for m in unsure],
        timeout=WRITE_WITHIN_S,
    )
    assumed = {
        (m.channel_id, m.user_id): msgspec.structs.replace(
            m, moved=True, shown_delivered_before=row["delivered"], shown_read_before=row["read"]
        )
        for m, row in zip(unsure, rows, strict=True)
    }
    return [assumed.get((m.channel_id, m.user_id), m) for m in moved]
