"""Privacy settings, and what hiding read receipts keeps from whom."""

from typing import Any

import pytest

from tests.client import Json
from tests.make import REFUSAL, AnotherDevice, Person
from tests.serving import Server

PRIVACY = "query { privacy { lastSeen readReceipts addToGroups } }"
UPDATE = f"""mutation ($input: UpdatePrivacyInput!) {{ updatePrivacy(input: $input) {{
    ... on UpdatePrivacyPayload {{ privacy {{ lastSeen readReceipts addToGroups }} }}
    {REFUSAL} }} }}"""
CREATE_GROUP = """mutation ($input: CreateGroupInput!) { createGroup(input: $input) {
    ... on GroupPayload { group { id } } } }"""
# Everything that tells the viewer how far others have got.
TRACES = """query ($id: ID!, $member: ID!) {
    channel(id: $id) {
        position { deliveredSeq readSeq }
        members(first: 5) { nodes { user { id } position { deliveredSeq readSeq } } }
        messages(first: 5) { nodes { seq status deliveredAt seenAt deliveredCount readCount
            receipts(first: 5) { nodes { user { id } deliveredAt readAt } } } } }
    node(id: $member) { ... on Member { position { deliveredSeq readSeq } } } }"""

DEFAULTS = {"lastSeen": "EVERYONE", "readReceipts": True, "addToGroups": "EVERYONE"}


async def update(person: Person, **changes: Any) -> Any:
    return await person.mutate(UPDATE, input=changes)


async def traces(person: Person, channel_id: str, other: Person) -> Json:
    member_id = f"mbr_{channel_id.removeprefix('chn_')}_{other.user.id}"
    return await person.query(TRACES, id=channel_id, member=member_id)


async def test_settings_begin_open(alice: Person) -> None:
    assert await alice.mutate(PRIVACY) == DEFAULTS


async def test_what_is_absent_is_kept(
    alice: Person, other_server: Server, another_device: AnotherDevice
) -> None:
    tablet = (await another_device(alice)).at(other_server)

    first = await update(alice, lastSeen="NOBODY")
    second = await update(tablet, readReceipts=False)
    third = await update(alice, addToGroups="CONTACTS")
    nothing = await update(alice)

    assert first["privacy"] == DEFAULTS | {"lastSeen": "NOBODY"}
    assert second["privacy"] == DEFAULTS | {"lastSeen": "NOBODY", "readReceipts": False}
    after = {"lastSeen": "NOBODY", "readReceipts": False, "addToGroups": "CONTACTS"}
    assert third["privacy"] == nothing["privacy"] == after
    assert await tablet.mutate(PRIVACY) == after


@pytest.mark.parametrize("field", ["lastSeen", "readReceipts", "addToGroups"])
async def test_no_setting_can_be_cleared(alice: Person, field: str) -> None:
    others = {"lastSeen": "NOBODY"} if field != "lastSeen" else {"readReceipts": False}

    refused = await update(alice, **others, **{field: None})

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)
    assert await alice.mutate(PRIVACY) == DEFAULTS


async def test_one_s_settings_are_one_s_own(alice: Person, bob: Person) -> None:
    await update(alice, lastSeen="NOBODY", readReceipts=False)

    assert await bob.mutate(PRIVACY) == DEFAULTS


# Who hides reading, and whether each of the two then sees how far the other has read.
@pytest.mark.parametrize(
    ("alice_hides", "bob_hides"), [(False, False), (True, False), (False, True), (True, True)]
)
@pytest.mark.parametrize("when", ["before the chat", "after reading"])
async def test_reading_is_hidden_in_a_chat_where_either_hides_it(
    alice: Person, bob: Person, alice_hides: bool, bob_hides: bool, when: str
) -> None:
    async def hide() -> None:
        for person, hides in ((alice, alice_hides), (bob, bob_hides)):
            if hides:
                assert (await update(person, readReceipts=False))["privacy"]

    if when == "before the chat":
        await hide()
    chat = await alice.open_chat(bob)
    await alice.say(chat, "1")
    await bob.say(chat, "2")
    await alice.acknowledge(chat, read=2)
    await bob.acknowledge(chat, read=2)
    if when == "after reading":
        await hide()

    shown = not (alice_hides or bob_hides)
    for viewer, other, own in ((alice, bob, 0), (bob, alice, 1)):
        seen = await traces(viewer, chat, other)
        channel = seen["channel"]
        by_user = {each["user"]["id"]: each["position"] for each in channel["members"]["nodes"]}
        message = channel["messages"]["nodes"][own]
        # One's own is never hidden from oneself.
        assert channel["position"] == by_user[viewer.id] == {"deliveredSeq": 2, "readSeq": 2}
        other_position = {"deliveredSeq": 2, "readSeq": 2 if shown else 0}
        assert by_user[other.id] == seen["node"]["position"] == other_position
        assert message["status"] == ("READ" if shown else "DELIVERED")
        assert message["readCount"] == (1 if shown else 0)
        assert (message["seenAt"] is not None) is shown
        assert (message["deliveredCount"], message["deliveredAt"] is None) == (1, False)
        (of_other,) = message["receipts"]["nodes"]
        assert of_other["user"]["id"] == other.id
        assert of_other["deliveredAt"] is not None
        assert (of_other["readAt"] is not None) is shown


async def test_reading_shows_again_when_it_is_no_longer_hidden(
    alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "1")
    await update(bob, readReceipts=False)
    await bob.acknowledge(chat, read=1)

    await update(bob, readReceipts=True)

    message = (await traces(alice, chat, bob))["channel"]["messages"]["nodes"][0]
    assert (message["status"], message["readCount"]) == ("READ", 1)


async def test_groups_always_show_reading(alice: Person, bob: Person) -> None:
    made = await alice.mutate(CREATE_GROUP, input={"name": "A group", "memberIds": [bob.id]})
    group = made["group"]["id"]
    seq = (await alice.say(group, "1"))["seq"]
    for person in (alice, bob):
        await update(person, readReceipts=False)

    await bob.acknowledge(group, read=seq)

    seen = await traces(alice, group, bob)
    message = seen["channel"]["messages"]["nodes"][-1]
    assert (message["status"], message["readCount"]) == ("READ", 1)
    assert seen["node"]["position"] == {"deliveredSeq": seq, "readSeq": seq}


async def test_every_chat_is_marked_and_no_group(alice: Person, bob: Person, carol: Person) -> None:
    """Chats that were open, and one that opens later."""
    before = await alice.open_chat(bob)
    await update(alice, readReceipts=False)
    later = await alice.open_chat(carol)

    for chat, peer in ((before, bob), (later, carol)):
        await peer.say(chat, "Hello")
        await alice.acknowledge(chat, read=1)
        (message,) = (await traces(peer, chat, alice))["channel"]["messages"]["nodes"]
        assert (message["status"], message["readCount"]) == ("DELIVERED", 0)
