"""Whom a move concerns: the authors of what it covers, as far as they may know."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from models import ids
from models.log import receipt_signals
from models.log.receipt_signals import ShownMove, list_receipt_signals, merge_moves
from models.log.signals import ReceiptMoved
from models.postgresql.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOVER, ANN, BEN, CAT = (str(n) * 32 for n in range(1, 5))
GROUP = ids.new_id()


async def make_channel(
    database: Database, senders: Sequence[str | None], *, kind: int = 2, **joined_seqs: int
) -> str:
    """Return a channel of all four (of the mover and Ann, if a chat), with one message of each of
    these senders in turn.
    """
    channel_id = ids.new_id()
    await database.execute(
        "INSERT INTO channels (id, kind, created_at, last_seq) VALUES ($1, $2, $3, $4)",
        channel_id,
        kind,
        NOW,
        len(senders),
    )
    names = {"mover": MOVER, "ann": ANN, "ben": BEN, "cat": CAT}
    for name in list(names)[: 2 if kind == 1 else 4]:
        await database.execute(
            "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq) "
            "VALUES ($1, $2, 1, $3, $4)",
            channel_id,
            names[name],
            NOW,
            joined_seqs.get(name, 1),
        )
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO messages (channel_id, seq, kind, sender_id, sent_at) "
            "VALUES ($1, $2, $3, $4, $5)",
            [
                (channel_id, seq, 7 if sender is None else 1, sender, NOW)
                for seq, sender in enumerate(senders, 1)
            ],
        )
    return channel_id


async def told(
    database: Database, channel_id: str, delivered: tuple[int, int], read: tuple[int, int] = (0, 0)
) -> tuple[set[str], tuple[int, int]] | None:
    """Whom, and the positions that they are told."""
    move = ShownMove(channel_id, MOVER, *delivered, *read)
    signals = await list_receipt_signals(database, [move], at=NOW)
    if not signals:
        return None
    (signalled,) = signals
    signal = signalled.signal
    assert isinstance(signal, ReceiptMoved)
    assert (signal.channel_id, signal.user_id, signal.at) == (channel_id, MOVER, NOW)
    assert len(set(signalled.user_ids)) == len(signalled.user_ids)
    return set(signalled.user_ids), (signal.delivered_seq, signal.read_seq)


async def test_the_authors_of_what_either_position_newly_covers(database: Database) -> None:
    channel = await make_channel(database, [ANN, BEN, MOVER, None, CAT, BEN])

    assert await told(database, channel, (0, 1)) == ({ANN}, (1, 0))
    assert await told(database, channel, (1, 2)) == ({BEN}, (2, 0))
    assert await told(database, channel, (2, 4)) is None
    assert await told(database, channel, (0, 6)) == ({ANN, BEN, CAT}, (6, 0))
    # Read what was delivered before.
    assert await told(database, channel, (6, 6), (0, 1)) == ({ANN}, (6, 1))
    # Both at once: delivered up to 6, read of what was there before up to 1, and beyond.
    assert await told(database, channel, (4, 6), (0, 1)) == ({ANN, BEN, CAT}, (6, 1))
    assert await told(database, channel, (5, 6), (4, 6)) == ({BEN, CAT}, (6, 6))


async def test_only_what_came_with_the_mover_s_membership(database: Database) -> None:
    channel = await make_channel(database, [ANN, BEN, CAT], mover=2)

    assert await told(database, channel, (0, 3)) == ({BEN, CAT}, (3, 0))


async def test_only_members_and_what_came_with_their_membership(database: Database) -> None:
    channel = await make_channel(database, [ANN, BEN, CAT], ann=2)
    await database.execute("UPDATE members SET left_seq = 4 WHERE user_id = $1", BEN)

    assert await told(database, channel, (0, 3)) == ({CAT}, (3, 0))
    await database.execute("UPDATE members SET left_seq = 4 WHERE user_id = $1", MOVER)
    assert await told(database, channel, (0, 3)) is None


@pytest.mark.parametrize("hider", [MOVER, ANN])
async def test_a_chat_where_one_hides_reading(database: Database, hider: str) -> None:
    channel = await make_channel(database, [ANN, ANN], kind=1)
    await database.execute("UPDATE members SET hides_receipts = true WHERE user_id = $1", hider)

    assert await told(database, channel, (2, 2), (0, 2)) is None
    assert await told(database, channel, (1, 2), (0, 2)) == ({ANN}, (2, 0))


@pytest.mark.parametrize("blocker", [MOVER, ANN])
async def test_a_chat_where_one_blocks_the_other(database: Database, blocker: str) -> None:
    channel = await make_channel(database, [ANN, ANN], kind=1)
    await database.execute("UPDATE members SET blocks = true WHERE user_id = $1", blocker)

    assert await told(database, channel, (0, 2), (0, 2)) is None


async def test_one_who_comes_back_after_very_long_is_told_to_every_member(
    database: Database,
) -> None:
    most = receipt_signals.MOST_ENTRIES
    channel = await make_channel(database, [BEN] + [ANN] * most + [ANN], cat=most + 3)

    # Ben wrote the oldest, beyond where authors are looked for; Cat joined after it all.
    assert await told(database, channel, (0, most + 2)) == ({ANN, BEN}, (most + 2, 0))
    assert await told(database, channel, (1, most + 1)) == ({ANN}, (most + 1, 0))


async def test_many_moves_are_one_answer(database: Database) -> None:
    one = await make_channel(database, [ANN, BEN])
    other = await make_channel(database, [CAT, MOVER])
    moves = [
        ShownMove(one, MOVER, 0, 1, 0, 0),
        ShownMove(other, CAT, 0, 2, 0, 0),
        ShownMove(other, BEN, 1, 1, 0, 1),
        ShownMove(one, CAT, 0, 2, 0, 2),
    ]

    signals = await list_receipt_signals(database, moves, at=NOW)

    assert [
        (s.signal.user_id, sorted(s.user_ids))
        for s in signals
        if isinstance(s.signal, ReceiptMoved)
    ] == [
        (MOVER, [ANN]),
        (CAT, [MOVER]),
        (BEN, [CAT]),
        (CAT, [ANN, BEN]),
    ]


def test_moves_merge_into_what_both_cover() -> None:
    merged = merge_moves(ShownMove(GROUP, MOVER, 3, 5, 0, 1), ShownMove(GROUP, MOVER, 5, 5, 1, 4))

    assert merged == ShownMove(GROUP, MOVER, 3, 5, 0, 4)
