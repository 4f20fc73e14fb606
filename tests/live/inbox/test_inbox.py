"""The inbox: what was missed, then what happens, each entry once and in order, over both nodes."""

import asyncio

from models.log.committer import Committer
from models.postgresql.database import Database
from tests.client import added, until
from tests.live.conftest import Follow
from tests.live.feeds import live
from tests.live.inbox.inboxes import INBOX, WHOLE, join_at, position, seqs
from tests.make import AnotherDevice, MakePerson, Person, write_history
from tests.serving import Server


async def test_an_empty_inbox_is_ready_at_once(bob: Person, follow: Follow) -> None:
    async with follow(bob, INBOX) as stream:
        assert await stream.event() == {"__typename": "InboxReady", "replayed": 0}


async def test_a_message_arrives_whole(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    asked = await bob.say(chat, "Tea?")
    async with follow(bob.at(other_server), WHOLE) as stream:
        await until(stream, "InboxReady")

        said = await alice.say(chat, "Yes!", replyToId=asked["id"])

        event = await added(stream)
        assert event == {
            "__typename": "MessageAdded",
            "at": said["sentAt"],
            "channelId": chat,
            "seq": 2,
            "message": {
                "id": said["id"],
                "seq": 2,
                "text": "Yes!",
                "sender": {"id": alice.id, "name": "Alice"},
                "clientMessageId": said["clientMessageId"],
                "status": None,
                "deliveredCount": None,
                "replyTo": {"id": asked["id"], "text": "Tea?", "sender": {"name": "Bob"}},
            },
        }


async def test_messages_arrive_once_and_in_order_wherever_they_are_sent(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    senders = [alice, bob, alice.at(other_server), bob.at(other_server)]
    async with follow(bob, INBOX) as here, follow(bob.at(other_server), INBOX) as there:
        for stream in (here, there):
            await until(stream, "InboxReady")

        await asyncio.gather(*(senders[n % 4].say(chat, str(n)) for n in range(80)))

        arrived = [[await added(stream) for _ in range(80)] for stream in (here, there)]
        await alice.say(chat, "the last")
        for stream, happened in zip((here, there), arrived, strict=True):
            assert seqs(happened) == list(range(1, 81))
            assert (await added(stream))["message"]["text"] == "the last"
        texts = [[event["message"]["text"] for event in happened] for happened in arrived]
        assert texts[0] == texts[1]


async def test_channels_do_not_hold_each_other_up(
    bob: Person, person: MakePerson, other_server: Server, follow: Follow
) -> None:
    peers = [await person(f"Peer {n}") for n in range(4)]
    chats = [await peer.open_chat(bob) for peer in peers]
    async with follow(bob.at(other_server), INBOX) as stream:
        await until(stream, "InboxReady")

        await asyncio.gather(
            *(
                peer.say(chat, str(n))
                for n in range(10)
                for peer, chat in zip(peers, chats, strict=True)
            )
        )

        happened = [await added(stream) for _ in range(40)]
        for chat in chats:
            assert [each["seq"] for each in happened if each["channelId"] == chat] == list(
                range(1, 11)
            )


# -------------------------------------------------------------------- who gets what


async def test_a_chat_opened_later_joins_the_stream(
    alice: Person, bob: Person, other_server: Server, follow: Follow
) -> None:
    async with follow(bob.at(other_server), INBOX) as stream:
        await until(stream, "InboxReady")

        chat = await alice.open_chat(bob)
        await alice.say(chat, "Hello")

        event = await added(stream)
        assert (event["channelId"], event["seq"]) == (chat, 1)


async def test_ones_own_messages_reach_ones_own_devices(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    another_device: AnotherDevice,
    follow: Follow,
) -> None:
    """They alone see how it fares."""
    tablet = (await another_device(alice)).at(other_server)
    async with (
        follow(alice, WHOLE) as on_phone,
        follow(tablet, WHOLE) as on_tablet,
        follow(bob.at(other_server), WHOLE) as theirs,
    ):
        for stream in (on_phone, on_tablet, theirs):
            await until(stream, "InboxReady")

        await alice.say(chat, "Hello")

        for stream in (on_phone, on_tablet):
            message = (await added(stream))["message"]
            assert (message["status"], message["deliveredCount"]) == ("SENT", 0)
        message = (await added(theirs))["message"]
        assert (message["status"], message["deliveredCount"]) == (None, None)


async def test_ones_own_messages_are_replayed_with_how_they_fared(
    alice: Person, bob: Person, chat: str, follow: Follow
) -> None:
    await alice.say(chat, "one")
    await alice.say(chat, "two")
    await bob.acknowledge(chat, delivered=2, read=1)

    async with follow(alice, WHOLE) as stream:
        messages = [(await added(stream))["message"] for _ in range(2)]

    assert [message["status"] for message in messages] == ["READ", "DELIVERED"]
    assert [message["deliveredCount"] for message in messages] == [1, 1]


async def test_a_reply_to_what_one_may_not_see_shows_nothing_of_it(
    alice: Person,
    bob: Person,
    chat: str,
    database: Database,
    other_server: Server,
    follow: Follow,
) -> None:
    """Live, and in the replay; the others see it all the same."""
    secret = await alice.say(chat, "before Bob came")
    await join_at(database, chat, bob, 2)
    async with (
        follow(bob.at(other_server), WHOLE) as theirs,
        follow(alice.at(other_server), WHOLE) as own,
    ):
        await until(theirs, "InboxReady")
        await until(own, "InboxReady")

        await alice.say(chat, "a reply", replyToId=secret["id"])

        assert (await added(theirs))["message"]["replyTo"] is None
        assert (await added(own))["message"]["replyTo"]["text"] == "before Bob came"
    async with follow(bob, WHOLE) as theirs:
        replayed = await added(theirs)
        assert (replayed["seq"], replayed["message"]["replyTo"]) == (2, None)


async def test_nobody_else_gets_anything(
    alice: Person, bob: Person, carol: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    own = await carol.open_chat(alice)
    async with follow(carol.at(other_server), INBOX) as stream:
        await until(stream, "InboxReady")

        await alice.say(chat, "for Bob")
        await alice.say(own, "for Carol")

        assert (await added(stream))["message"]["text"] == "for Carol"


# -------------------------------------------------------------------- coming back


async def test_nothing_is_lost_or_doubled_by_coming_back(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    """Sends go on while the reader comes and goes, on either node, with its positions."""
    nodes = [bob, bob.at(other_server)]
    held: list[int] = []

    async def send() -> None:
        for n in range(150):
            await (alice if n % 2 else alice.at(other_server)).say(chat, str(n))

    sending = asyncio.create_task(send())
    visits = 0
    while len(held) < 150:
        after = position(chat, len(held))
        async with follow(nodes[visits % 2], INBOX, after=after) as stream:
            for _ in range(visits % 7 + 1):
                event = await stream.event()
                held += seqs([event])
                if len(held) == 150:
                    break
        visits += 1
    await sending

    assert held == list(range(1, 151))
    assert visits > 20


async def test_what_is_sent_while_it_begins_arrives_though_nothing_follows(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    other_server: Server,
    follow: Follow,
) -> None:
    """Attached before it reads: what commits in between is in what was read, or comes by itself."""
    await write_history(committer, alice, chat, 300)
    last = 300

    for _ in range(15):
        after = position(chat, last - 300)
        async with follow(bob.at(other_server), INBOX, after=after) as stream:
            sending = asyncio.create_task(alice.say(chat, "meanwhile"))
            found = [await added(stream) for _ in range(301)]
            await sending
        last += 1
        assert seqs(found) == list(range(last - 300, last + 1))


async def test_who_goes_away_is_followed_no_more(bob: Person, follow: Follow) -> None:
    async with follow(bob, INBOX) as stream:
        await until(stream, "InboxReady")
        await live(bob, "inbox", 1)

    await live(bob, "inbox", 0)
