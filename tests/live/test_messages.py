"""`messageAdded`: one channel's messages, from a position or from now on."""

import asyncio
from typing import Any

import pytest

from models.log.committer import Committer
from tests.client import ending, events
from tests.live.conftest import Follow
from tests.make import Person, write_history
from tests.serving import ServedWith, Server

ADDED = """subscription ($id: ID!, $after: Int) { messageAdded(channelId: $id, afterSeq: $after) {
    seq text } }"""
OWN_VIEW = """subscription ($id: ID!, $after: Int) {
    messageAdded(channelId: $id, afterSeq: $after) {
        seq status channel { unreadCount position { userId } } } }"""


def seqs(messages: list[Any]) -> list[int]:
    return [message["seq"] for message in messages]


async def test_it_begins_after_the_seq_that_is_named(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    other_server: Server,
    follow: Follow,
) -> None:
    await write_history(committer, alice, chat, 10)

    async with follow(bob.at(other_server), ADDED, id=chat, after=7) as stream:
        assert await events(stream, 3) == [{"seq": n, "text": str(n)} for n in (8, 9, 10)]
        await alice.say(chat, "live")
        assert await stream.event() == {"seq": 11, "text": "live"}
    async with follow(bob, ADDED, id=chat, after=0) as stream:
        assert seqs(await events(stream, 11)) == list(range(1, 12))


async def test_it_begins_now_when_none_is_named(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    """What a socket or response answers to first marks the beginning: it was there before."""
    await alice.say(chat, "before")
    async with (
        follow(bob.at(other_server), ADDED, id=chat) as stream,
        follow(bob.at(other_server), ADDED, id=chat, after=0) as whole,
    ):
        assert (await whole.event())["seq"] == 1
        said = [await alice.say(chat, str(n)) for n in range(5)]

        first = await stream.event()
        rest = await events(stream, 6 - first["seq"])

    # The subscription may have begun a moment after the first of them, but never with a gap.
    assert first["seq"] > 1
    assert seqs([first, *rest]) == list(range(first["seq"], said[-1]["seq"] + 1))


async def test_other_channels_are_left_out(
    alice: Person, bob: Person, carol: Person, chat: str, follow: Follow
) -> None:
    other = await carol.open_chat(bob)
    async with follow(bob, ADDED, id=chat, after=0) as stream:
        await alice.say(chat, "one")
        assert (await stream.event())["text"] == "one"

        await carol.say(other, "elsewhere")
        await alice.say(chat, "two")

        assert (await stream.event())["text"] == "two"


@pytest.mark.parametrize("after", [11, 4, 2**31 - 1])
async def test_a_seq_that_is_of_no_use_ends_it(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    served_with: ServedWith,
    follow: Follow,
    after: int,
) -> None:
    """Past the log, or too far behind."""
    await write_history(committer, alice, chat, 10)
    async with served_with(replay_entries=5) as server:
        async with follow(bob.at(server), ADDED, id=chat, after=after) as stream:
            assert (await ending(stream)).codes == ["RESYNC_REQUIRED"]
        async with follow(bob.at(server), ADDED, id=chat, after=5) as stream:
            assert seqs(await events(stream, 5)) == [6, 7, 8, 9, 10]


async def test_a_negative_seq_is_refused(bob: Person, chat: str, follow: Follow) -> None:
    async with follow(bob, ADDED, id=chat, after=-1) as stream:
        assert (await ending(stream)).codes == ["INVALID_INPUT"]


async def test_a_strangers_chat_looks_like_none_at_all(
    carol: Person, chat: str, follow: Follow
) -> None:
    ends = []
    for channel_id in (chat, "chn_" + "0" * 32, "usr_" + "0" * 32, "nonsense"):
        async with follow(carol, ADDED, id=channel_id, after=0) as stream:
            ends.append(await ending(stream))

    assert ends[0].codes == ["NOT_FOUND"]
    assert all(end == ends[0] for end in ends)


async def test_each_follower_sees_the_channel_with_their_own_eyes(
    alice: Person, bob: Person, chat: str, follow: Follow
) -> None:
    """What depends on the viewer is never taken from another's rendering."""
    async with (
        follow(alice, OWN_VIEW, id=chat, after=0) as own,
        follow(bob, OWN_VIEW, id=chat, after=0) as theirs,
    ):
        for n in (1, 2):
            await alice.say(chat, str(n))
            assert await own.event() == {
                "seq": n,
                "status": "SENT",
                "channel": {"unreadCount": 0, "position": {"userId": alice.id}},
            }
            assert await theirs.event() == {
                "seq": n,
                "status": None,
                "channel": {"unreadCount": n, "position": {"userId": bob.id}},
            }


async def test_what_has_to_wait_for_the_database_stays_in_order(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    async with follow(bob.at(other_server), OWN_VIEW, id=chat, after=0) as stream:
        await asyncio.gather(*(alice.say(chat, str(n)) for n in range(40)))

        assert seqs(await events(stream, 40)) == list(range(1, 41))
