"""InboxProgress: after the events that it covers, while something is sent, and never else."""

from datetime import UTC, datetime, timedelta
from typing import Any

from models.devices.viewer import Viewer
from models.log.committer import Committer
from models.log.events import InboxReady
from models.log.streams.named import InboxStart
from subscriptions.feed import Feed
from tests.client import until
from tests.groups import inner_id
from tests.live.conftest import Follow
from tests.live.feeds import live
from tests.live.inbox.inboxes import INBOX
from tests.live.streams.following import STREAM, missed, missed_seqs, new_cursor, next_seq, take
from tests.make import Person, write_history
from tests.serving import ServedWith
from tests.waiting import eventually


async def test_a_long_replay_tells_how_far_it_has_got(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    served_with: ServedWith,
    follow: Follow,
) -> None:
    """What comes after the last one that was acknowledged comes again, and nothing before it."""
    await write_history(committer, alice, chat, 25)
    async with served_with(progress_entries=10) as server:
        there = bob.at(server)
        async with follow(there, STREAM, streamId="tab") as stream:
            happened = await until(stream, "InboxReady")
            progress = [n for n, each in enumerate(happened) if "cursor" in each]
            assert progress == [10, 21, 27]
            await take(there, "tab", happened[21]["cursor"])

        async with follow(there, STREAM, streamId="tab") as stream:
            assert await missed_seqs(stream) == [21, 22, 23, 24, 25]


async def test_live_it_follows_what_was_sent(
    alice: Person, bob: Person, chat: str, follow: Follow
) -> None:
    async with follow(bob, STREAM, streamId="tab", heartbeatSeconds=1) as stream:
        await missed(stream)
        for text in ("one", "two"):
            await alice.say(chat, text)

        happened = await until(stream, "InboxProgress")

        # Both mostly, but each of them before the one that covers it.
        if len(happened) < 3:
            happened += await until(stream, "InboxProgress")
        assert [each["seq"] for each in happened if "seq" in each] == [1, 2]
        assert await take(bob, "tab", happened[-1]["cursor"]) == {
            "__typename": "AcknowledgePayload",
            "positions": [{"channelId": chat, "deliveredSeq": 2}],
        }
    async with follow(bob, STREAM, streamId="tab") as stream:
        assert await missed_seqs(stream) == []


async def test_where_nothing_was_sent_nothing_waits_to_be_told(
    alice: Person, bob: Person, chat: str
) -> None:
    """No timer runs before the first entry, nor in a stream whose document does not ask."""
    hub = bob.server.app._process.hub
    async with bob.follow(STREAM, heartbeatSeconds=1) as asking, bob.follow(INBOX) as other:
        for stream in (asking, other):
            await until(stream, "InboxReady")
        await live(bob, "inbox", 2)
        notes: list[Any] = [feed.on_given for feed in hub.feeds_of(bob.user.id) if feed.on_given]
        (progress,) = [note.__self__ for note in notes]
        assert [progress._timer] == [None]

        await alice.say(chat, "news")

        assert await next_seq(asking) == 1
        assert [progress._timer] != [None]
    assert await new_cursor(bob)


async def test_what_comes_during_a_replay_is_not_covered_by_its_end(
    alice: Person, bob: Person, chat: str, committer: Committer, follow: Follow
) -> None:
    """It is given after InboxReady, so the cursor of InboxReady goes on before it."""
    await write_history(committer, alice, chat, 3)
    process = bob.server.app._process
    viewer = Viewer(bob.user, bob.inner_device_id, datetime.now(UTC) + timedelta(hours=1))
    feed = await process.resources.live.follow_inbox(viewer, InboxStart())
    assert isinstance(feed, Feed)
    replay = feed.replay()
    await anext(replay)

    await alice.say(chat, "meanwhile")
    await eventually(lambda: 4 in feed.held.get(inner_id(chat), ()))
    last = [occurrence.value async for occurrence in replay][-1]
    feed.end()

    assert isinstance(last, InboxReady)
    async with follow(bob, STREAM, cursor=last.place.cursor()) as stream:
        assert await missed_seqs(stream) == [4]
