"""The viewer's own state, live on all of their devices: positions, unread, mutes, profile, privacy,
blocks and devices.
"""

import asyncio
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.client import Json, SocketStream, until
from tests.make import ACKNOWLEDGE, REFUSAL, AnotherDevice, MakePerson, Person
from tests.serving import Server
from tests.times import earlier

INBOX = """subscription { inbox { __typename
    ... on MessageAdded { seq message { sender { name } } }
    ... on ViewerChannelUpdated {
        channelId position { userId deliveredSeq readSeq } unreadCount lastSeq mutedUntil }
    ... on ViewerUpdated { viewer { id name } } } }"""
STATE = """query ($id: ID!) { channel(id: $id) {
    position { userId deliveredSeq readSeq } unreadCount lastSeq mutedUntil } }"""
MUTE = f"""mutation ($id: ID!, $until: DateTime) {{ muteChannel(channelId: $id, until: $until) {{
    ... on ChannelPayload {{ channel {{ mutedUntil }} }} {REFUSAL} }} }}"""
FAR_OFF = "9999-12-31T00:00:00.000Z"

MUTATIONS: dict[str, tuple[str, Json]] = {
    "profile": (
        'mutation { updateProfile(input: { name: "Roberta" }) { __typename } }',
        {},
    ),
    "privacy": ("mutation { updatePrivacy(input: { lastSeen: NOBODY }) { __typename } }", {}),
    "block": ("mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }", {}),
}


async def states(person: Person, channel_id: str) -> Json:
    state: Json = await person.mutate(STATE, id=channel_id)
    return {"__typename": "ViewerChannelUpdated", "channelId": channel_id, **state}


async def next_state(stream: SocketStream) -> Json:
    event: Json = (await until(stream, "ViewerChannelUpdated"))[-1]
    return event


async def nothing_comes(stream: SocketStream) -> None:
    with pytest.raises(TimeoutError):
        await stream.event(0.5)


async def test_positions_reach_every_device_whole(
    alice: Person, bob: Person, chat: str, other_server: Server, another_device: AnotherDevice
) -> None:
    for n in range(5):
        await alice.say(chat, str(n))
    tablet = (await another_device(bob)).at(other_server)

    async with bob.follow(INBOX) as one, tablet.follow(INBOX) as two:
        await until(one, "InboxReady")
        await until(two, "InboxReady")
        await bob.acknowledge(chat, delivered=4, read=2)

        told = await next_state(one)
        assert await next_state(two) == told

    assert told == await states(bob, chat) == await states(tablet, chat)
    assert told["position"] == {"userId": bob.id, "deliveredSeq": 4, "readSeq": 2}
    assert (told["unreadCount"], told["lastSeq"], told["mutedUntil"]) == (3, 5, None)


async def test_mutes_reach_every_device(
    alice: Person, bob: Person, chat: str, other_server: Server, another_device: AnotherDevice
) -> None:
    tablet = (await another_device(bob)).at(other_server)

    async with bob.follow(INBOX) as one, tablet.follow(INBOX) as two:
        await until(one, "InboxReady")
        await until(two, "InboxReady")
        for until_ in (FAR_OFF, None):
            await bob.mutate(MUTE, id=chat, until=until_)
            for stream in (one, two):
                assert (await next_state(stream))["mutedUntil"] == until_


async def test_others_and_what_changes_nothing_are_told_nothing(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "1")
    await bob.acknowledge(chat, delivered=1, read=1)

    async with alice.follow(INBOX) as alices, bob.follow(INBOX) as bobs:
        await until(alices, "InboxReady")
        await until(bobs, "InboxReady")
        await bob.acknowledge(chat, delivered=1, read=1)
        await bob.mutate(MUTE, id=chat, until="2020-01-01T00:00:00Z")
        await nothing_comes(bobs)

        # New messages are counted by the client.
        await alice.say(chat, "2")
        assert [each["__typename"] for each in await until(bobs, "MessageAdded")] == [
            "MessageAdded"
        ]
        await nothing_comes(bobs)
        await bob.acknowledge(chat, read=2)
        await next_state(bobs)
        assert "ViewerChannelUpdated" not in [
            each["__typename"] for each in await until(alices, "ReceiptUpdated")
        ]


async def test_the_last_of_many_moves_is_told(
    alice: Person, bob: Person, chat: str, other_server: Server, another_device: AnotherDevice
) -> None:
    """Moves on two nodes at once: each stream ends at what is in force, and never goes back."""
    count = 30
    for n in range(count):
        await alice.say(chat, str(n))
    tablet = (await another_device(bob)).at(other_server)

    async with bob.follow(INBOX) as one, tablet.follow(INBOX) as two:
        await until(one, "InboxReady")
        await until(two, "InboxReady")
        for seq in range(1, count + 1):
            await asyncio.gather(
                bob.acknowledge(chat, delivered=seq), tablet.acknowledge(chat, read=seq)
            )
        for stream in (one, two):
            seqs = [0]
            while seqs[-1] < count:
                state = await next_state(stream)
                seqs.append(state["position"]["readSeq"])
                assert state["unreadCount"] == count - state["position"]["readSeq"]
            assert seqs == sorted(seqs)
            assert len(seqs) < count


async def test_many_channels_at_once_are_all_told(alice: Person, person: MakePerson) -> None:
    chats = []
    for n in range(30):
        peer = await person(f"Peer {n}")
        chats.append(await peer.open_chat(alice))
        await peer.say(chats[-1], "Hello")

    async with alice.follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        await alice.mutate(
            ACKNOWLEDGE, input={"read": [{"channelId": each, "seq": 1} for each in chats]}
        )
        told = [await next_state(inbox) for _ in chats]

    assert {each["channelId"] for each in told} == set(chats)
    assert {each["unreadCount"] for each in told} == {0}


@pytest.mark.parametrize("change", MUTATIONS)
async def test_what_the_viewer_changes_of_themselves_is_told_to_their_devices(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    another_device: AnotherDevice,
    change: str,
) -> None:
    tablet = (await another_device(bob)).at(other_server)
    document, variables = MUTATIONS[change]

    async with (
        bob.follow(INBOX) as one,
        tablet.follow(INBOX) as two,
        alice.follow(INBOX) as alices,
    ):
        for stream in (one, two, alices):
            await until(stream, "InboxReady")
        done = await bob.mutate(document, **({"id": alice.id} if change == "block" else variables))
        assert done["__typename"] != "Refusal"

        name = "Roberta" if change == "profile" else "Bob"
        for stream in (one, two):
            assert await stream.event() == {
                "__typename": "ViewerUpdated",
                "viewer": {"id": bob.id, "name": name},
            }
        await nothing_comes(alices)


async def test_a_block_that_is_there_is_not_told_again(
    alice: Person, bob: Person, chat: str
) -> None:
    document, _ = MUTATIONS["block"]
    await bob.mutate(document, id=alice.id)

    async with bob.follow(INBOX) as bobs:
        await until(bobs, "InboxReady")
        await bob.mutate(document, id=alice.id)
        await nothing_comes(bobs)


async def test_devices_that_come_and_go_are_told(
    bob: Person, other_server: Server, another_device: AnotherDevice
) -> None:
    tablet, watch = await another_device(bob), await another_device(bob)
    request_code = """mutation ($input: RequestCodeInput!) { requestCode(input: $input) {
        ... on RequestCodePayload { developmentCode requestSecret } } }"""
    sign_in = """mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }"""
    revoke = """mutation ($id: ID!) { revokeDevice(deviceId: $id) { __typename } }"""

    async with bob.at(other_server).follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        asked = await bob.mutate(request_code, input={"phoneNumber": bob.number})
        await bob.mutate(
            sign_in,
            input={
                "phoneNumber": bob.number,
                "requestSecret": asked["requestSecret"],
                "code": asked["developmentCode"],
                "device": {"name": "A desktop", "platform": "DESKTOP"},
            },
        )
        assert (await inbox.event())["__typename"] == "ViewerUpdated"
        await bob.mutate(revoke, id=tablet.device_id)
        assert (await inbox.event())["__typename"] == "ViewerUpdated"
        await watch.mutate("mutation { signOut { __typename } }")
        assert (await inbox.event())["__typename"] == "ViewerUpdated"


async def test_a_device_that_a_stolen_refresh_token_ends_is_told_of_once(
    bob: Person, other_server: Server, another_device: AnotherDevice, database: Database
) -> None:
    tablet = await another_device(bob)
    refresh = """mutation ($token: String!) { refreshSession(refreshToken: $token) {
        ... on Session { accessToken } ... on Refusal { code } } }"""
    refreshed = await tablet.mutate(refresh, token=tablet.refresh_token)
    await tablet.at(other_server, refreshed["accessToken"]).query("{ viewer { id } }")
    an_hour_earlier = earlier("generation_accepted_at", "interval '1 hour'")
    await database.execute(f"UPDATE devices SET generation_accepted_at = {an_hour_earlier}")

    async with bob.at(other_server).follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        for _ in range(2):
            stolen = await tablet.mutate(refresh, token=tablet.refresh_token)
            assert stolen == {"code": "SESSION_REVOKED"}

        await nothing_comes_but(inbox, "ViewerUpdated")


async def test_a_new_name_is_used_at_once_by_every_device_on_every_node(
    alice: Person, bob: Person, chat: str, other_server: Server, another_device: AnotherDevice
) -> None:
    """Over HTTP, and over a socket that was open before."""
    tablet = (await another_device(bob)).at(other_server)
    send = """mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }"""

    async with (
        alice.follow(INBOX) as alices,
        tablet.follow(INBOX) as inbox,
        tablet.socket() as socket,
    ):
        for stream in (alices, inbox):
            await until(stream, "InboxReady")
        # Who they are is known at both nodes.
        await tablet.say(chat, "before")
        await socket.query(send, input=tablet.draft(chat, "before"))
        await bob.mutate(MUTATIONS["profile"][0])
        await until(inbox, "ViewerUpdated")
        await tablet.say(chat, "after")
        await socket.query(send, input=tablet.draft(chat, "after"))
        await bob.say(chat, "after", clientMessageId="of another device")

        names = [(await until(alices, "MessageAdded"))[-1]["message"] for _ in range(5)]

    assert [each["sender"]["name"] for each in names] == ["Bob", "Bob", *["Roberta"] * 3]


async def test_a_channel_that_was_left_is_not_told_of(
    alice: Person, bob: Person, database: Database
) -> None:
    made: Any = await alice.mutate(
        """mutation ($input: CreateGroupInput!) { createGroup(input: $input) {
        ... on GroupPayload { group { id } } } }""",
        input={"name": "A group", "memberIds": [bob.id]},
    )
    group = made["group"]["id"]
    leave = "mutation ($id: ID!) { leaveGroup(groupId: $id) { __typename } }"

    async with bob.follow(INBOX) as bobs:
        await until(bobs, "InboxReady")
        await bob.mutate(leave, id=group)
        assert (await bob.mutate(MUTE, id=group, until=FAR_OFF))["code"] == "NOT_FOUND"
        await bob.acknowledge(group, read=1)
        await nothing_comes_but(bobs, "ChannelUpdated")


async def nothing_comes_but(stream: SocketStream, typename: str) -> None:
    assert (await stream.event())["__typename"] == typename
    await nothing_comes(stream)
