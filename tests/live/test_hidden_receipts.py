"""Receipts where reading is hidden, or one of the two blocks the other."""

import pytest

from tests.client import until
from tests.live.receipts import (
    INBOX,
    STATUS,
    make_group,
    next_receipt,
    nothing_comes,
    receipt,
    set_blocked,
    show_reading,
)
from tests.make import Person


@pytest.mark.parametrize("hider", ["mover", "author", "both"])
async def test_hidden_reading_is_never_told_in_a_chat(
    alice: Person, bob: Person, chat: str, hider: str
) -> None:
    await alice.say(chat, "1")
    await alice.say(chat, "2")
    for person in {"mover": [bob], "author": [alice], "both": [alice, bob]}[hider]:
        await show_reading(person, False)

    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await bob.acknowledge(chat, delivered=1)
        assert await next_receipt(alices) == receipt(bob, chat, 1, 0)
        await bob.acknowledge(chat, read=1)
        await nothing_comes(alices)

        # Delivered with it, without a word of reading.
        await bob.acknowledge(chat, read=2)
        assert await next_receipt(alices) == receipt(bob, chat, 2, 0)


async def test_reading_that_is_hidden_while_a_receipt_waits_is_not_told(
    alice: Person, bob: Person, chat: str
) -> None:
    for text in ("1", "2"):
        await alice.say(chat, text)

    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await bob.acknowledge(chat, delivered=1)
        await bob.acknowledge(chat, delivered=2, read=2)
        await show_reading(bob, False)

        assert await next_receipt(alices) == receipt(bob, chat, 1, 0)
        assert await next_receipt(alices) == receipt(bob, chat, 2, 0)


async def test_hiding_takes_back_what_was_shown_at_the_next_fetch_and_tells_nobody(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "1")
    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await bob.acknowledge(chat, read=1)
        assert await next_receipt(alices) == receipt(bob, chat, 1, 1)
        before = await alice.query(STATUS, id=chat)

        await show_reading(bob, False)
        await bob.say(chat, "the end")

        assert [each["__typename"] for each in await until(alices, "MessageAdded")] == [
            "MessageAdded"
        ]
    after = await alice.query(STATUS, id=chat)
    found = [read["channel"]["messages"]["nodes"][0]["status"] for read in (before, after)]
    assert found == ["READ", "DELIVERED"]


async def test_groups_always_tell_of_reading(alice: Person, bob: Person, chat: str) -> None:
    group = await make_group(alice, bob)
    seq = (await alice.say(group, "1"))["seq"]
    await show_reading(bob, False)
    await show_reading(alice, False)

    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await bob.acknowledge(group, read=seq)
        assert await next_receipt(alices) == receipt(bob, group, seq, seq)


async def test_reading_is_told_again_once_it_is_shown_again(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "1")
    await alice.say(chat, "2")
    await show_reading(bob, False)
    await bob.acknowledge(chat, read=1)
    await show_reading(bob, True)

    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await bob.acknowledge(chat, read=2)
        assert await next_receipt(alices) == receipt(bob, chat, 2, 2)


# -------------------------------------------------------------------- blocks


@pytest.mark.parametrize("blocker", ["mover", "author"])
async def test_nothing_is_told_while_one_blocks_the_other(
    alice: Person, bob: Person, chat: str, blocker: str
) -> None:
    await alice.say(chat, "1")
    await alice.say(chat, "2")
    one, other = (bob, alice) if blocker == "mover" else (alice, bob)
    await bob.acknowledge(chat, delivered=1, read=1)
    await set_blocked(one, other, True)

    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await bob.acknowledge(chat, delivered=2, read=2)
        await nothing_comes(alices)

        # After it, what was missed is told at the next move, and at one that moves nothing.
        await set_blocked(one, other, False)
        await bob.acknowledge(chat, delivered=2, read=2)
        assert await next_receipt(alices) == receipt(bob, chat, 2, 2)


async def test_a_receipt_that_waits_when_the_block_comes_is_not_told(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "1")
    await alice.say(chat, "2")

    async with alice.follow(INBOX) as alices:
        await until(alices, "InboxReady")
        await bob.acknowledge(chat, delivered=1)
        assert await next_receipt(alices) == receipt(bob, chat, 1, 0)
        await bob.acknowledge(chat, delivered=2, read=2)
        await set_blocked(bob, alice, True)

        await nothing_comes(alices)
