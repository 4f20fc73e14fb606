"""A stream with a name goes on from what was acknowledged under it, whatever its client passes
again, and whatever else its device acknowledges.
"""

from pathlib import Path

from models.log.committer import Committer
from parley.settings import Settings
from tests.groups import ADD, LEAVE, REMOVE, make_group
from tests.live.conftest import Follow
from tests.live.inbox.inboxes import position
from tests.live.processes import api_process
from tests.live.streams.following import STREAM, missed, missed_seqs, new_cursor, next_seq, take
from tests.make import Person, write_history
from tests.serving import Server


async def test_unchanged_variables_give_nothing_twice_of_what_was_acknowledged(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    other_server: Server,
    follow: Follow,
) -> None:
    """As Apollo, urql and Relay do it: they subscribe again with their first variables."""
    await write_history(committer, alice, chat, 6)
    first = {"after": position(chat, 2), "streamId": "tab"}
    async with follow(bob, STREAM, **first) as stream:
        happened, cursor = await missed(stream)
        assert [each["seq"] for each in happened] == [3, 4, 5, 6]
        taken = await take(bob, "tab", cursor)
    assert taken["positions"] == [{"channelId": chat, "deliveredSeq": 6}]
    await alice.say(chat, "meanwhile")

    for _ in range(2):
        async with follow(bob.at(other_server), STREAM, **first) as stream:
            assert await missed_seqs(stream) == [7]


async def test_what_was_only_written_to_a_connection_comes_again(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow
) -> None:
    """Up to the last acknowledgement, and without any from the first `after`."""
    await write_history(committer, alice, chat, 3)
    first = {"after": position(chat, 1), "streamId": "tab"}
    for _ in range(2):
        async with follow(bob, STREAM, **first) as stream:
            assert await missed_seqs(stream) == [2, 3]

    async with follow(bob, STREAM, **first) as stream:
        _, cursor = await missed(stream)
        await alice.say(chat, "after the cursor")
        assert await next_seq(stream) == 4
        await take(bob, "tab", cursor)

    for _ in range(2):
        async with follow(bob, STREAM, **first) as stream:
            assert await missed_seqs(stream) == [4]


async def test_nothing_passed_and_nothing_acknowledged_begins_where_the_name_was_first_used(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow
) -> None:
    """Another tab's acknowledgements are no news of this one's store."""
    await write_history(committer, alice, chat, 3)
    await bob.acknowledge(chat, delivered=1)
    async with follow(bob, STREAM, streamId="tab") as stream:
        assert await missed_seqs(stream) == [2, 3]

    await bob.acknowledge(chat, delivered=3)

    async with follow(bob, STREAM, streamId="tab") as stream:
        assert await missed_seqs(stream) == [2, 3]
    async with follow(bob, STREAM, streamId="a new tab") as stream:
        assert await missed_seqs(stream) == []


async def test_two_tabs_of_a_device_are_apart(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    tabs = {"one": bob, "two": bob.at(other_server)}
    for name, tab in tabs.items():
        await new_cursor(tab, streamId=name)
    await alice.say(chat, "for both")
    await take(bob, "one", await new_cursor(bob, streamId="one"))

    found = {}
    for name, tab in tabs.items():
        async with follow(tab, STREAM, streamId=name) as stream:
            found[name] = await missed_seqs(stream)

    assert found == {"one": [], "two": [1]}


async def test_the_later_of_what_is_passed_and_what_was_acknowledged_counts(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow
) -> None:
    await write_history(committer, alice, chat, 4)
    earlier = await new_cursor(bob, streamId="tab")
    await take(bob, "tab", earlier)
    for text in ("five", "six", "seven"):
        await alice.say(chat, text)
    later = await new_cursor(bob, after=position(chat, 6), streamId="another")
    await alice.say(chat, "eight")

    async with follow(bob, STREAM, streamId="tab", after=position(chat, 2)) as stream:
        assert await missed_seqs(stream) == [5, 6, 7, 8]
    async with follow(bob, STREAM, streamId="tab", after=position(chat, 6)) as stream:
        assert await missed_seqs(stream) == [7, 8]
    async with follow(bob, STREAM, streamId="tab", cursor=earlier) as stream:
        assert await missed_seqs(stream) == [5, 6, 7, 8]
    async with follow(bob, STREAM, streamId="tab", cursor=later) as stream:
        assert await missed_seqs(stream) == [8]


async def test_an_earlier_cursor_moves_nothing_back(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow
) -> None:
    """Acknowledgements may overtake one another."""
    earlier = await new_cursor(bob, streamId="tab")
    await write_history(committer, alice, chat, 3)
    later = await new_cursor(bob, streamId="tab")

    for cursor in (later, earlier):
        assert (await take(bob, "tab", cursor))["__typename"] == "AcknowledgePayload"

    async with follow(bob, STREAM, streamId="tab") as stream:
        assert await missed_seqs(stream) == []
    assert await bob.acknowledge(chat, delivered=0) == [
        {"channelId": chat, "deliveredSeq": 3, "readSeq": 0}
    ]


async def test_channels_that_come_and_go_are_told_once(
    alice: Person, bob: Person, carol: Person, follow: Follow
) -> None:
    """Joined, left and joined again between the acknowledgement and the next subscription."""
    left = await make_group(alice, bob)
    again = await make_group(alice, bob, name="Again")
    await bob.mutate(LEAVE, groupId=again)
    await take(bob, "tab", await new_cursor(bob, streamId="tab"))
    await alice.mutate(REMOVE, groupId=left, userId=bob.id)
    await alice.say(left, "without Bob")
    await alice.say(again, "without Bob, too")
    await alice.mutate(ADD, groupId=again, userIds=[bob.id])
    joined = await make_group(carol, bob, name="New")

    async with follow(bob, STREAM, streamId="tab") as stream:
        happened, cursor = await missed(stream)
    assert sorted((each["channelId"], each["seq"]) for each in happened) == sorted(
        [(left, 2), (again, 4), (joined, 1)]
    )
    assert {each["__typename"] for each in happened} == {"ChannelUpdated"}

    await take(bob, "tab", cursor)
    async with follow(bob, STREAM, streamId="tab") as stream:
        assert await missed_seqs(stream) == []


async def test_what_a_killed_process_wrote_comes_again_elsewhere(
    alice: Person, bob: Person, chat: str, settings: Settings, tmp_path: Path
) -> None:
    """What was acknowledged before does not."""
    await alice.say(chat, "stored")
    async with api_process(settings, tmp_path / "log") as process:
        there = bob.at(process.server)
        async with there.follow(STREAM, streamId="tab") as stream:
            _, cursor = await missed(stream)
            await take(there, "tab", cursor)
            await alice.say(chat, "only written")
            assert await next_seq(stream) == 2
            process.process.kill()
            await process.process.wait()

    async with bob.follow(STREAM, streamId="tab") as stream:
        assert await missed_seqs(stream) == [2]
