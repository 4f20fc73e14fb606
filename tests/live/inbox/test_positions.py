"""Where an inbox begins: the position that the client names, or where its device acknowledged."""

from typing import Any

import pytest

from models.log.committer import Committer
from models.postgresql.database import Database
from tests.client import added, ending
from tests.live.conftest import Follow
from tests.live.inbox.inboxes import INBOX, join_at, position, replay
from tests.make import AnotherDevice, Person, write_history
from tests.serving import ServedWith


async def test_what_was_missed_comes_after_the_position_that_is_named(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow
) -> None:
    await write_history(committer, alice, chat, 10)
    await bob.acknowledge(chat, delivered=8)

    async with follow(bob, INBOX, after=position(chat, 4)) as stream:
        assert await replay(stream) == (list(range(5, 11)), 6)
        await alice.say(chat, "live")
        assert (await added(stream))["seq"] == 11


async def test_nothing_is_missed_at_the_end(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow
) -> None:
    await write_history(committer, alice, chat, 10)

    async with follow(bob, INBOX, after=position(chat, 10)) as stream:
        assert await replay(stream) == ([], 0)


async def test_else_it_begins_where_this_device_acknowledged(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    another_device: AnotherDevice,
    follow: Follow,
) -> None:
    """What was read, and what another device acknowledged, does not move it."""
    tablet = await another_device(bob)
    await write_history(committer, alice, chat, 10)
    await bob.acknowledge(chat, delivered=7)
    await bob.acknowledge(chat, read=9)
    await tablet.acknowledge(chat, delivered=10)

    async with follow(bob, INBOX) as stream:
        assert await replay(stream) == ([8, 9, 10], 3)


async def test_a_new_device_begins_at_its_sign_in(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    another_device: AnotherDevice,
    follow: Follow,
) -> None:
    await write_history(committer, alice, chat, 5)
    tablet = await another_device(bob)
    await alice.say(chat, "after the sign-in")

    async with follow(tablet, INBOX) as stream:
        assert await replay(stream) == ([6], 1)
    async with follow(bob, INBOX) as stream:
        assert await replay(stream) == ([1, 2, 3, 4, 5, 6], 6)


async def test_one_who_joined_late_begins_there(
    alice: Person,
    bob: Person,
    chat: str,
    database: Database,
    committer: Committer,
    follow: Follow,
) -> None:
    await write_history(committer, alice, chat, 6)
    await join_at(database, chat, bob, 4)

    async with follow(bob, INBOX) as stream:
        assert await replay(stream) == ([4, 5, 6], 3)
    async with follow(bob, INBOX, after=position(chat, 3)) as stream:
        assert await replay(stream) == ([4, 5, 6], 3)


async def test_a_position_from_an_earlier_membership_needs_a_resync(
    alice: Person,
    bob: Person,
    chat: str,
    database: Database,
    committer: Committer,
    follow: Follow,
) -> None:
    await write_history(committer, alice, chat, 6)
    await join_at(database, chat, bob, 4)

    async with follow(bob, INBOX, after=position(chat, 2)) as stream:
        assert await stream.event() == resync(chat, 6)


def resync(channel_id: str, seq: int) -> dict[str, Any]:
    return {"__typename": "ResyncRequired", "channelId": channel_id, "seq": seq}


async def test_too_far_back_needs_a_resync_and_goes_on(
    alice: Person,
    bob: Person,
    carol: Person,
    chat: str,
    committer: Committer,
    served_with: ServedWith,
    follow: Follow,
) -> None:
    """Another channel of the same stream is replayed all the same."""
    other_chat = await carol.open_chat(bob)
    await write_history(committer, alice, chat, 10)
    await write_history(committer, carol, other_chat, 5)
    async with served_with(replay_entries=5) as server:
        after = position(chat, 4) + position(other_chat, 0)
        async with follow(bob.at(server), INBOX, after=after) as stream:
            assert await stream.event() == resync(chat, 10)
            assert await replay(stream) == ([1, 2, 3, 4, 5], 5)
            await alice.say(chat, "live")
            event = await added(stream)
            assert (event["channelId"], event["seq"]) == (chat, 11)
        async with follow(bob.at(server), INBOX, after=position(chat, 6)) as stream:
            found, _ = await replay(stream)
            assert found[:5] == [1, 2, 3, 4, 5] or found[-5:] == [1, 2, 3, 4, 5]
            assert sorted(found) == sorted([1, 2, 3, 4, 5, 7, 8, 9, 10, 11])


@pytest.mark.parametrize("seq", [11, 2**31 - 1])
async def test_past_the_log_needs_a_resync(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow, seq: int
) -> None:
    await write_history(committer, alice, chat, 10)

    async with follow(bob, INBOX, after=position(chat, seq)) as stream:
        assert await stream.event() == resync(chat, 10)
        assert await replay(stream) == ([], 0)
        await alice.say(chat, "live")
        assert (await added(stream))["seq"] == 11


async def test_unknown_channels_are_ignored(
    alice: Person, bob: Person, carol: Person, chat: str, follow: Follow
) -> None:
    """A stranger's too: naming it shows nothing of it, then or later."""
    own = await carol.open_chat(alice)
    await alice.say(chat, "not for Carol")
    named = [chat, "chn_" + "0" * 32, "usr_" + "0" * 32, "", "nonsense"]
    after = [each for channel_id in named for each in position(channel_id, 0)]

    async with follow(carol, INBOX, after=after) as stream:
        assert await replay(stream) == ([], 0)
        await alice.say(chat, "nor this")
        await alice.say(own, "but this")
        event = await added(stream)
        assert (event["channelId"], event["message"]["text"]) == (own, "but this")


@pytest.mark.parametrize(
    "after", [position("chn_" + "0" * 32, -1), position("chn_" + "0" * 32, 1) * 1001], ids=len
)
async def test_positions_that_cannot_be_are_refused(
    bob: Person, follow: Follow, after: list[Any]
) -> None:
    async with follow(bob, INBOX, after=after) as stream:
        end = await ending(stream)

    assert end.codes == ["INVALID_INPUT"]
    assert end.close_code is None
