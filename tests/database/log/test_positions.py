"""Moves of positions that race: forward only, and a receipt for each step."""

import asyncio
import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest_asyncio

from models import ids
from models.log.committer import Committer
from models.log.positions import Move, Moved
from models.postgresql.database import Database
from tests.faults.proxy import Link, Proxy, proxy
from tests.make import Person, write_history


@pytest_asyncio.fixture
async def committers(database: Database) -> AsyncIterator[tuple[Committer, Committer]]:
    """Those of two processes."""
    one, other = (
        Committer(database.url, lambda batch: None, is_distributed=database.is_distributed)
        for _ in range(2)
    )
    one.start()
    other.start()
    yield one, other
    await one.close()
    await other.close()


async def test_200_pairs_forward_and_backward_end_at_the_greater(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    committers: tuple[Committer, Committer],
    database: Database,
) -> None:
    await write_history(committer, alice, chat, 400)
    channel_id = ids.parse_plain("chn", chat)
    assert channel_id is not None
    chance = random.Random(4)
    farthest_delivered = farthest_read = 0

    for _ in range(200):
        pair = [
            Move(channel_id, bob.user.id, chance.randrange(401), chance.randrange(401))
            for _ in range(2)
        ]
        answers = await asyncio.gather(
            *(committer.advance([move]) for committer, move in zip(committers, pair, strict=True))
        )
        farthest_read = max(farthest_read, *(move.read_seq for move in pair))
        farthest_delivered = max(
            farthest_delivered, farthest_read, *(move.delivered_seq for move in pair)
        )
        moved: list[Moved] = [answer[0] for answer in answers]
        assert max(m.delivered_seq for m in moved) == farthest_delivered
        assert max(m.read_seq for m in moved) == farthest_read
        for move, answer in zip(pair, moved, strict=True):
            assert answer.read_seq >= move.read_seq
            assert answer.delivered_seq >= max(move.delivered_seq, answer.read_seq)

    row = await database.fetchrow(
        "SELECT delivered_seq, read_seq, shown_delivered_seq, shown_read_seq FROM members "
        "WHERE user_id = $1",
        bob.user.id,
    )
    assert row is not None
    assert tuple(row) == (farthest_delivered, farthest_read) * 2
    # A receipt a step, dated in the order of the steps; the last is where the position is.
    for kind, farthest in ((1, farthest_delivered), (2, farthest_read)):
        receipts = await database.fetch(
            "SELECT up_to_seq FROM receipts WHERE kind = $1 ORDER BY at, up_to_seq", kind
        )
        steps = [row[0] for row in receipts]
        assert steps[-1] == farthest
        assert len(steps) == len(set(steps))


async def test_each_move_is_told_once(
    alice: Person, bob: Person, chat: str, committer: Committer, database: Database
) -> None:
    """Moves that wait together are one; what they covered is whole, and in no two of them."""
    await write_history(committer, alice, chat, 50)
    channel_id = ids.parse_plain("chn", chat)
    assert channel_id is not None
    told: list[Moved] = []
    own = Committer(
        database.url,
        lambda batch: None,
        told.extend,
        is_distributed=database.is_distributed,
    )
    own.start()

    await asyncio.gather(
        *(own.advance([Move(channel_id, bob.user.id, seq, seq // 2)]) for seq in range(1, 51))
    )
    await own.close()

    steps = [(m.shown_delivered_before, m.shown_delivered) for m in told if m.moved]
    assert steps[0][0] == 0
    assert steps[-1][1] == 50
    assert [one[1] for one in steps[:-1]] == [then[0] for then in steps[1:]]


# -------------------------------------------------------------------- a connection that breaks

ADVANCE = b" FROM advance_"


class Cutting:
    """A committer whose connection breaks after its commit, before the answer, when it is told to;
    and what it tells of moves.
    """

    def __init__(self, between: Proxy, database: Database) -> None:
        url = urlsplit(database.url)
        credentials = url.netloc.rpartition("@")[0]
        through = url._replace(netloc=f"{credentials}@127.0.0.1:{between.port}").geturl()
        self.told: list[Moved] = []
        self.committer = Committer(
            through,
            lambda batch: None,
            self.told.extend,
            is_distributed=database.is_distributed,
        )
        self.cuts = 0
        between.to_client = self._judge

    def _judge(self, link: Link, passing: bytes) -> int | None:
        if not self.cuts or ADVANCE not in link.client_said:
            return None
        self.cuts -= 1
        return 0


async def test_a_move_whose_answer_was_cut_off_is_told_of_as_if_it_had_just_been_made(
    alice: Person, bob: Person, chat: str, committer: Committer, database: Database
) -> None:
    await write_history(committer, alice, chat, 9)
    channel_id = ids.parse_plain("chn", chat)
    assert channel_id is not None
    port = urlsplit(database.url).port
    assert port is not None

    async with proxy(port, (ADVANCE,)) as between:
        cutting = Cutting(between, database)
        cutting.committer.start()
        await cutting.committer.advance([Move(channel_id, bob.user.id, 4, 2)])
        cutting.cuts = 1
        answers = await cutting.committer.advance([Move(channel_id, bob.user.id, 7, 5)])
        await cutting.committer.advance([Move(channel_id, bob.user.id, 6, 3)])
        await cutting.committer.close()

    assert cutting.cuts == 0
    assert [(m.delivered_seq, m.read_seq) for m in answers] == [(7, 5)]
    first, cut_off, nothing = map(shown, cutting.told)
    assert first == (True, (0, 4), (0, 2))
    assert cut_off == (True, (4, 7), (2, 5))
    assert nothing == (False, (7, 7), (5, 5))


def shown(moved: Moved) -> tuple[bool, tuple[int, int], tuple[int, int]]:
    """Whether it moved, and what others are shown, before and after."""
    return (
        moved.moved,
        (moved.shown_delivered_before, moved.shown_delivered),
        (moved.shown_read_before, moved.shown_read),
    )
