"""Changes to messages on open streams: each once, in its place, whole, and to whom it may be shown;
live over both nodes, and replayed.
"""

from typing import Any

from models.log.committer import Committer
from tests.changes import (
    CHANGED,
    MESSAGE,
    add_members,
    changed,
    delete,
    edit,
    make_group,
    react,
)
from tests.client import Stream, added, ending, until
from tests.live.conftest import Follow
from tests.live.feeds import live
from tests.make import AnotherDevice, Person, write_history
from tests.serving import Server

THUMB = "\U0001f44d"

INBOX = f"""subscription ($after: [PositionInput!]) {{ inbox(after: $after) {{ __typename
    ... on MessageAdded {{ channelId seq message {{ {MESSAGE} }} }} {CHANGED}
    ... on ChannelUpdated {{ channelId seq }} ... on LogAdvanced {{ channelId seq }} }} }}"""
STATUS = """subscription { inbox { __typename
    ... on MessageUpdated { seq message { status readCount } } } }"""
ADDED = "subscription ($id: ID!) { messageAdded(channelId: $id) { seq text } }"

AROUND = f"""query ($id: ID!) {{ channel(id: $id) {{ lastSeq lastMessage {{ id }}
    messages(aroundSeq: 20, first: 100) {{ nodes {{ {MESSAGE} }} }} }} }}"""
SEEN = f"""query ($id: ID!) {{ node(id: $id) {{ ... on Message {{ {MESSAGE}
    receipts {{ nodes {{ readAt }} }} }} }} }}"""
SEARCH = "query ($q: String!) { searchMessages(query: $q) { nodes { id } } }"


async def entry(stream: Stream) -> Any:
    """Return the next event that has a place in a log."""
    event = await stream.event()
    while "seq" not in event:
        event = await stream.event()
    return event


async def entries(stream: Stream, count: int) -> list[Any]:
    return [await entry(stream) for _ in range(count)]


def updated(channel_id: str, seq: int, change: str, message: Any) -> dict[str, Any]:
    return {
        "__typename": "MessageUpdated",
        "channelId": channel_id,
        "seq": seq,
        "change": change,
        "message": message,
    }


async def make_changes(alice: Person, bob: Person, chat: str) -> tuple[str, list[Any]]:
    """Return a message, and what its changes (seqs 2 to 4) are to give."""
    said = await alice.say(chat, "Helo")
    edited = changed(await edit(alice, said["id"], "Hello"))
    reacted = changed(await react(bob, said["id"], THUMB))
    deleted = changed(await delete(alice, said["id"]))
    return said["id"], [
        updated(chat, 2, "EDITED", edited),
        updated(chat, 3, "REACTED", reacted),
        updated(chat, 4, "DELETED", deleted),
    ]


async def test_come_as_they_are_made_to_all_devices_on_all_nodes(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    another_device: AnotherDevice,
    follow: Follow,
) -> None:
    tablet = await another_device(alice)
    async with (
        follow(alice, INBOX) as here,
        follow(tablet.at(other_server), INBOX) as tablets,
        follow(bob.at(other_server), INBOX) as there,
    ):
        for stream in (here, tablets, there):
            await until(stream, "InboxReady")

        _, expected = await make_changes(alice, bob, chat)

        for stream in (here, tablets, there):
            assert (await added(stream))["message"]["text"] == "Helo"
            assert await entries(stream, 3) == expected


async def test_are_replayed_with_the_message_as_it_is_now(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    _, expected = await make_changes(alice, bob, chat)
    now = expected[-1]["message"]

    async with follow(bob.at(other_server), INBOX, after=[{"channelId": chat, "seq": 1}]) as stream:
        replayed = await until(stream, "InboxReady")

    assert replayed[:-1] == [{**event, "message": now} for event in expected]


async def test_made_while_cut_off_arrive_once_and_in_order(
    alice: Person, bob: Person, chat: str, follow: Follow
) -> None:
    said = await alice.say(chat, "0")
    async with follow(bob, INBOX) as stream:
        await until(stream, "InboxReady")
        await edit(alice, said["id"], "1")
        held = (await entry(stream))["seq"]
    await edit(alice, said["id"], "2")
    await react(alice, said["id"], THUMB)

    async with follow(bob, INBOX, after=[{"channelId": chat, "seq": held}]) as stream:
        missed = await until(stream, "InboxReady")
        await edit(alice, said["id"], "3")
        last = await entry(stream)

    assert [(event["seq"], event["change"]) for event in missed[:-1]] == [
        (3, "EDITED"),
        (4, "REACTED"),
    ]
    assert (last["seq"], last["message"]["text"]) == (5, "3")


async def test_are_no_new_messages(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    async with follow(bob.at(other_server), ADDED, id=chat) as stream:
        await live(bob.at(other_server), "messages")

        await make_changes(alice, bob, chat)
        await alice.say(chat, "Next")

        given = [await stream.event() for _ in range(2)]
    assert [message["seq"] for message in given] == [1, 5]


async def test_tell_the_sender_how_far_the_message_has_got(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    said = await alice.say(chat, "Hello")
    await bob.acknowledge(chat, read=1)
    async with (
        follow(alice.at(other_server), STATUS) as senders,
        follow(bob.at(other_server), STATUS) as readers,
    ):
        for stream in (senders, readers):
            await until(stream, "InboxReady")

        await react(bob, said["id"], THUMB)

        assert (await entry(senders))["message"] == {"status": "READ", "readCount": 1}
        assert (await entry(readers))["message"] == {"status": None, "readCount": None}


async def test_of_a_reply_that_hides_its_original_hide_it_too(
    alice: Person, bob: Person, carol: Person, other_server: Server, follow: Follow
) -> None:
    group = await make_group(alice, bob)
    secret = await alice.say(group, "Before Carol")
    await add_members(alice, group, carol)
    reply = await bob.say(group, "After", replyToId=secret["id"])
    async with (
        follow(carol.at(other_server), INBOX) as late,
        follow(alice.at(other_server), INBOX) as early,
    ):
        for stream in (late, early):
            await until(stream, "InboxReady")

        await react(bob, reply["id"], THUMB)

        assert (await entry(late))["message"]["replyTo"] is None
        assert (await entry(early))["message"]["replyTo"]["text"] == "Before Carol"


async def test_one_who_joined_at_entry_50_sees_nothing_of_what_was_said_before(
    alice: Person,
    bob: Person,
    carol: Person,
    other_server: Server,
    committer: Committer,
    follow: Follow,
) -> None:
    """Not through a reaction, edit, deletion, reply, receipt, search, aroundSeq, node, lastMessage;
    live and replayed.
    """
    group = await make_group(alice, bob)
    await write_history(committer, bob, group, 45)
    old = [await alice.say(group, f"Xylophone {n}") for n in range(3)]
    await add_members(alice, group, carol)
    places = [{"channelId": group, "seq": 50}]

    async with follow(carol.at(other_server), INBOX, after=places) as stream:
        await until(stream, "InboxReady")
        # The entries from 51 on: three that she may know of only by number, and an answer.
        await react(bob, old[0]["id"], THUMB)
        await edit(alice, old[1]["id"], "Xylophone again")
        await delete(alice, old[2]["id"])
        reply = await bob.say(group, "Which xylophone?", replyToId=old[1]["id"])
        happened = await entries(stream, 4)
    async with follow(carol.at(other_server), INBOX, after=places) as stream:
        replayed = (await until(stream, "InboxReady"))[:-1]
    async with follow(carol.at(other_server), INBOX) as stream:
        whole = (await until(stream, "InboxReady"))[:-1]
    around = (await carol.query(AROUND, id=group))["channel"]
    found = (await carol.query(SEARCH, q="xylophone"))["searchMessages"]["nodes"]
    nodes = [(await carol.query(SEEN, id=each["id"]))["node"] for each in old]
    answer = (await carol.query(SEEN, id=reply["id"]))["node"]

    advanced = [{"__typename": "LogAdvanced", "channelId": group, "seq": n} for n in (51, 52, 53)]
    assert happened[:3] == replayed[:3] == advanced
    assert happened[3] == replayed[3]
    assert happened[3]["message"]["text"] == "Which xylophone?"
    assert happened[3]["message"]["replyTo"] is None
    assert whole == [{"__typename": "ChannelUpdated", "channelId": group, "seq": 50}, *replayed]
    assert [message["seq"] for message in around["messages"]["nodes"]] == [50, 54]
    assert around["lastMessage"]["id"] == reply["id"]
    assert found == [{"id": reply["id"]}]
    assert nodes == [None] * 3
    assert (answer["replyTo"], answer["receipts"]) == (None, None)


async def test_before_a_newcomer_said_anything_their_last_message_is_the_one_that_says_they_came(
    alice: Person, bob: Person, carol: Person
) -> None:
    group = await make_group(alice, bob)
    await alice.say(group, "Before Carol")
    await add_members(alice, group, carol)

    assert (await carol.query(AROUND, id=group))["channel"]["lastMessage"] == {
        "id": f"msg_{group[4:]}_3"
    }


async def test_a_removed_member_gets_no_change_made_after_the_removal(
    alice: Person, bob: Person, other_server: Server, follow: Follow
) -> None:
    group = await make_group(alice, bob)
    said = await alice.say(group, "Hello")
    async with (
        follow(bob.at(other_server), INBOX) as inbox,
        follow(bob.at(other_server), ADDED, id=group) as messages,
    ):
        await until(inbox, "InboxReady")
        await live(bob.at(other_server), "messages")

        remove = """mutation ($id: ID!, $userId: ID!) { removeMember(groupId: $id, userId: $userId)
            { __typename } }"""
        await alice.mutate(remove, id=group, userId=bob.id)
        await react(alice, said["id"], THUMB)
        chat = await alice.open_chat(bob)
        await alice.say(chat, "Sorry")

        given = await entries(inbox, 2)
        assert (await ending(messages)).complete
    assert [(event["__typename"], event["channelId"]) for event in given] == [
        ("ChannelUpdated", group),
        ("MessageAdded", chat),
    ]
