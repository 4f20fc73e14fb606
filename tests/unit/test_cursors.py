"""A cursor holds all positions, fits a frame, and cannot be made or changed by anybody else."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ids import MAX_SEQ, new_id
from models.limits.limits import Limits
from models.log.streams.cursors import SHORT_ID_BYTES, Cursors, StreamPositions, find_unclear
from models.tokens import Tokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USER, DEVICE = new_id(), new_id()
FIRST, SECOND = "1" * 64, "2" * 64

some_ids = st.binary(min_size=16, max_size=16).map(bytes.hex)


def cursors(secret: str = FIRST, previous: str | None = None) -> Cursors:
    return Cursors(Tokens(secret, Limits(), previous_secret=previous))


@given(st.dictionaries(some_ids, st.integers(1, MAX_SEQ), max_size=20), st.sets(some_ids))
def test_gives_back_what_was_put_in(positions: dict[str, int], others: set[str]) -> None:
    clear = positions.keys() - find_unclear(positions.keys() | others)
    left = {channel_id for channel_id in clear if int(channel_id, 16) % 2}

    text = cursors().make(USER, DEVICE, StreamPositions.of(positions, left), now=NOW)
    found = cursors().read(text, USER, DEVICE)

    assert found is not None
    assert found.made_at == NOW
    for channel_id in clear:
        assert found.positions.find(channel_id) == positions[channel_id]
        assert found.positions.ended(channel_id) == (channel_id in left)


def test_thousands_of_channels_fit_a_frame() -> None:
    chosen = random.Random(7)
    limits = Limits()
    lengths = []
    for count in (100, 1000, 5000):
        positions = {chosen.randbytes(16).hex(): chosen.randrange(1, 100_000) for _ in range(count)}
        lengths.append(len(cursors().make(USER, DEVICE, StreamPositions.of(positions), now=NOW)))

    assert [
        length / limits.frame_bytes < most
        for length, most in zip(lengths, (0.02, 0.2, 0.9), strict=True)
    ] == [True] * 3


def test_is_bound_to_user_device_and_secret() -> None:
    text = cursors().make(USER, DEVICE, StreamPositions.of({new_id(): 3}), now=NOW)

    assert cursors().read(text, new_id(), DEVICE) is None
    assert cursors().read(text, USER, new_id()) is None
    assert cursors(SECOND).read(text, USER, DEVICE) is None
    assert cursors(SECOND, previous=FIRST).read(text, USER, DEVICE) is not None


def test_cannot_be_changed_in_any_place() -> None:
    text = cursors().make(USER, DEVICE, StreamPositions.of({new_id(): 300}), now=NOW)

    for place, old in enumerate(text[:-1]):
        changed = text[:place] + ("A" if old != "A" else "B") + text[place + 1 :]
        assert cursors().read(changed, USER, DEVICE) is None


@pytest.mark.parametrize("text", ["", "A", "AAAA", "ä", "\ud800", "=" * 40, "A" * 100_000])
def test_what_is_none_is_none(text: str) -> None:
    assert cursors().read(text, USER, DEVICE) is None


def test_two_channels_that_cannot_be_told_apart_are_known() -> None:
    one = "0" * 2 * SHORT_ID_BYTES + new_id()[2 * SHORT_ID_BYTES :]
    other = "0" * 2 * SHORT_ID_BYTES + new_id()[2 * SHORT_ID_BYTES :]
    third = "1" + new_id()[1:]
    positions = StreamPositions.of({one: 1, other: 2, third: 3})

    assert find_unclear([one, other, third]) == {one, other}
    assert positions.resolve([one, other, third]) == {third: 3}


def test_the_later_of_two_positions_holds() -> None:
    one, other, third = new_id(), new_id(), new_id()
    before = StreamPositions.of({one: 5, other: 9})
    after = StreamPositions.of({one: 7, other: 8, third: 1})

    assert before.merge(after) == StreamPositions.of({one: 7, other: 9, third: 1})
    assert after.since(before) == StreamPositions.of({one: 7, third: 1})


def test_positions_of_another_format_are_not_read() -> None:
    with pytest.raises(ValueError, match="format"):
        StreamPositions.unpack(b"\x02")
