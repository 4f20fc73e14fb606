"""Messages between nodes of two revisions: what one does not know is skipped, and all else read."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.log.entries import Batch, Recipients
from models.log.signals import PresenceChanged, Signalled, Typed, ViewerChannelChanged
from subscriptions.nodes.messages import (
    FORMATS,
    NEWEST,
    Received,
    UnknownKind,
    UnknownVersion,
)
from tests.unit.feeds.test_feed import live_entry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BATCHES = [
    Batch(f"channel {n}", f"outbox {n}", [live_entry("channel", n).entry], {"channel": to})
    for n, to in enumerate([Recipients(["ann"], [1]), Recipients(["bob", "cid"], [1, 5])], 1)
]
SIGNALS = [
    Signalled(ViewerChannelChanged("channel"), ["ann"]),
    Signalled(Typed("channel", "ann", True, NOW, NOW), ["bob"]),
    Signalled(PresenceChanged(), ["cid"]),
]
VERSION = bytes([NEWEST])
BEAT = FORMATS.write_beat()
ENCODED = [
    FORMATS.write_batches(BATCHES, reads=NEWEST),
    FORMATS.write_signals(SIGNALS, reads=NEWEST),
]
decode = FORMATS.read


def plain(value: object) -> Any:
    """Return what another revision's reader or writer has in hand: maps, lists and values."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value))


def written(kind: bytes, items: object, *, version: bytes = VERSION) -> bytes:
    return version + kind + msgspec.msgpack.encode(items)


def test_what_is_written_is_read() -> None:
    assert decode(BEAT).beat
    assert decode(ENCODED[0]).batches == BATCHES
    assert decode(ENCODED[1]).signals == SIGNALS
    for message in (BEAT, *ENCODED):
        assert decode(message).skipped == []


# -------------------------------------------------------------------- this reader, another writer


def test_a_field_that_this_reader_does_not_know_is_left_out() -> None:
    batches, signals = plain(BATCHES), plain(SIGNALS)
    for batch in batches:
        batch["priority"] = {"of": "later"}
        batch["entries"][0]["pinned"] = True
        batch["entries"][0]["message"]["threadId"] = "thread"
        batch["recipients"]["channel"]["muted"] = [False]
    for signalled in signals:
        signalled["signal"]["reason"] = "later"

    read = decode(written(b"B", batches)), decode(written(b"S", signals))

    assert read[0].batches == BATCHES
    assert read[1].signals == SIGNALS
    assert read[0].skipped == read[1].skipped == []


def test_a_field_that_has_a_default_may_be_missing() -> None:
    batches = plain(BATCHES)
    for batch in batches:
        del batch["fresh"]

    assert decode(written(b"B", batches)).batches == BATCHES


@pytest.mark.parametrize("place", [0, 1])
def test_an_item_that_cannot_be_read_is_skipped_and_the_others_are_not(place: int) -> None:
    batches, signals = plain(BATCHES), plain(SIGNALS)
    batches[place]["recipients"] = "by another rule"
    signals[place]["signal"] = {"type": "poll_closed", "channel_id": "channel"}

    read = decode(written(b"B", batches)), decode(written(b"S", signals))

    assert read[0].batches == BATCHES[:place] + BATCHES[place + 1 :]
    assert read[1].signals == SIGNALS[:place] + SIGNALS[place + 1 :]
    for received in read:
        assert [type(error) for error in received.skipped] == [msgspec.ValidationError]


@pytest.mark.parametrize(
    "message",
    [
        written(b"B", plain(BATCHES), version=b"\x02"),
        # As it was written before there was a version.
        b"B" + msgspec.msgpack.encode(BATCHES),
        b"S" + msgspec.msgpack.encode(SIGNALS),
        b".",
        b"",
    ],
)
def test_a_message_of_another_version_is_skipped(message: bytes) -> None:
    received = decode(message)

    assert [type(error) for error in received.skipped] == [UnknownVersion]
    assert received == Received(skipped=received.skipped)


def test_a_message_of_another_kind_is_skipped() -> None:
    assert [type(error) for error in decode(written(b"P", [])).skipped] == [UnknownKind]


@given(st.binary(max_size=200), st.sampled_from([b"", VERSION + b"B", VERSION + b"S"]))
def test_whatever_comes_reading_it_never_fails(content: bytes, head: bytes) -> None:
    received = decode(head + content)
    assert received.skipped or received.batches or received.signals or received.beat or content


@pytest.mark.parametrize("encoded", ENCODED)
def test_a_message_that_was_cut_is_skipped(encoded: bytes) -> None:
    for length in range(len(encoded)):
        assert decode(encoded[:length]).skipped


def test_a_message_nested_without_end_is_skipped() -> None:
    assert decode(VERSION + b"B" + b"\x91" * 100_000).skipped


# -------------------------------------------------------------------- another reader, this writer


class EarlierRecipients(msgspec.Struct):
    user_ids: list[str]


class EarlierBatch(msgspec.Struct):
    """A reader's that knows fewer fields, and one that this writer does not write."""

    outbox_id: str
    recipients: dict[str, EarlierRecipients]
    retries: int = 0


def test_a_reader_that_knows_other_fields_reads_what_is_written() -> None:
    content = ENCODED[0].removeprefix(VERSION + b"B")

    batches = msgspec.msgpack.decode(content, type=list[EarlierBatch])

    assert [batch.outbox_id for batch in batches] == ["outbox 1", "outbox 2"]
    assert batches[1].recipients["channel"].user_ids == ["bob", "cid"]


def test_the_first_byte_is_the_version_and_the_second_the_kind() -> None:
    """What every later reader relies on."""
    assert [message[:2] for message in (BEAT, *ENCODED)] == [b"\x01.", b"\x01B", b"\x01S"]
