"""Groups live: every change reaches members, comers and leavers over both nodes, each what is
theirs.
"""

import pytest

from tests.client import ending, events, until
from tests.groups import (
    ADD,
    LEAVE,
    UPDATE,
    join,
    make_group,
    make_invite,
    promote,
    remove,
)
from tests.live.conftest import Follow
from tests.live.feeds import live
from tests.live.groups.group_events import INBOX, next_events, position, replay
from tests.make import AnotherDevice, Person
from tests.serving import Server

# All of it is the same for all members, and may be shared between them.
SHARED = """subscription { inbox { __typename ... on ChannelUpdated {
    seq message { seq system { kind } } channel { ... on Group { id name } } } } }"""


ADDED = """subscription ($id: ID!, $after: Int) { messageAdded(channelId: $id, afterSeq: $after) {
    seq text system { kind } } }"""


async def test_each_change_reaches_all_who_follow_on_both_nodes(
    alice: Person,
    bob: Person,
    carol: Person,
    other_server: Server,
    another_device: AnotherDevice,
    follow: Follow,
) -> None:
    tablet = await another_device(alice)
    async with (
        follow(alice, INBOX) as own,
        follow(tablet.at(other_server), INBOX) as second,
        follow(bob.at(other_server), INBOX) as other,
        follow(carol, INBOX) as comer,
    ):
        for stream in (own, second, other, comer):
            assert await replay(stream) == []

        group_id = await make_group(alice, bob)
        await alice.mutate(UPDATE, input={"groupId": group_id, "name": "Climbers"})
        await promote(alice, group_id, bob)
        await bob.mutate(UPDATE, input={"groupId": group_id, "description": "On Sundays"})
        await bob.mutate(ADD, groupId=group_id, userIds=[carol.id])

        heard = [
            (1, "GROUP_CREATED", True),
            (2, "GROUP_RENAMED", True),
            (3, "ROLE_CHANGED", True),
            (4, "GROUP_CHANGED", True),
            (5, "MEMBER_ADDED", True),
        ]
        for stream in (own, second, other):
            assert await next_events(stream, 5) == heard
        assert await next_events(comer, 1) == heard[4:]


async def test_a_change_comes_whole(alice: Person, bob: Person, follow: Follow) -> None:
    group_id = await make_group(alice, bob)
    async with follow(bob, INBOX, after=position(group_id, 1)) as stream:
        await until(stream, "InboxReady")

        await promote(alice, group_id, bob)

        assert await stream.event() == {
            "__typename": "ChannelUpdated",
            "channelId": group_id,
            "seq": 2,
            "message": {
                "channel": {"id": group_id},
                "system": {
                    "kind": "ROLE_CHANGED",
                    "actor": {"name": "Alice"},
                    "subjects": [{"name": "Bob"}],
                    "value": "ADMIN",
                },
            },
            "channel": {
                "id": group_id,
                "lastSeq": 2,
                "name": "Hikers",
                "memberCount": 2,
                "viewerRole": "ADMIN",
            },
        }


async def test_who_joins_hears_from_the_entry_that_brings_them_in(
    alice: Person, bob: Person, other_server: Server, follow: Follow
) -> None:
    group_id = await make_group(alice)
    await alice.say(group_id, "Before")
    token = await make_invite(alice, group_id)
    async with follow(bob.at(other_server), INBOX) as stream:
        assert await replay(stream) == []

        await join(bob, token)
        await alice.say(group_id, "After")

        assert await next_events(stream, 2) == [(3, "MEMBER_JOINED", True), (4, "After")]
    async with follow(bob, INBOX) as again:
        assert await replay(again) == [(3, "MEMBER_JOINED", True), (4, "After")]


async def test_a_removed_member_hears_of_it_and_of_nothing_after(
    alice: Person, bob: Person, carol: Person, other_server: Server, follow: Follow
) -> None:
    group_id = await make_group(alice, bob, carol)
    fence = await alice.open_chat(bob)
    async with follow(bob.at(other_server), INBOX) as his, follow(carol, INBOX) as hers:
        await until(his, "InboxReady")
        await until(hers, "InboxReady")

        await alice.say(group_id, "With Bob")
        await remove(alice, group_id, bob)
        await alice.say(group_id, "Without Bob")
        await alice.mutate(UPDATE, input={"groupId": group_id, "name": "Climbers"})
        await alice.say(fence, "Only us")

        assert await next_events(his, 3) == [
            (2, "With Bob"),
            (3, "MEMBER_REMOVED", False),
            (1, "Only us"),
        ]
        assert await next_events(hers, 4) == [
            (2, "With Bob"),
            (3, "MEMBER_REMOVED", True),
            (4, "Without Bob"),
            (5, "GROUP_RENAMED", True),
        ]


async def test_a_last_owners_leave_is_two_entries(
    alice: Person, bob: Person, carol: Person, follow: Follow
) -> None:
    group_id = await make_group(alice, bob, carol)
    async with follow(alice, INBOX) as own, follow(bob, INBOX) as other:
        await until(own, "InboxReady")
        await until(other, "InboxReady")

        await alice.mutate(LEAVE, groupId=group_id)

        # When the first is shown to her, she is no longer in it.
        assert await next_events(own, 2) == [(2, "ROLE_CHANGED", False), (3, "MEMBER_LEFT", False)]
        assert await next_events(other, 2) == [(2, "ROLE_CHANGED", True), (3, "MEMBER_LEFT", True)]


async def test_what_a_leaver_is_shown_is_not_shown_to_others(
    alice: Person, bob: Person, carol: Person, follow: Follow
) -> None:
    """All on one node, with one document, which is shared; the leaver's stream comes first."""
    group_id = await make_group(alice, bob, carol)
    async with (
        follow(alice, SHARED) as own,
        follow(bob, SHARED) as one,
        follow(carol, SHARED) as two,
    ):
        for stream in (own, one, two):
            await until(stream, "InboxReady")

        await alice.mutate(LEAVE, groupId=group_id)

        for stream in (one, two):
            for event in await events(stream, 2):
                assert event["channel"] == {"id": group_id, "name": "Hikers"}
        assert [event["channel"] for event in await events(own, 2)] == [None, None]


@pytest.mark.parametrize("how", ["removed", "leaves"])
async def test_messages_complete_when_one_leaves(
    alice: Person, bob: Person, other_server: Server, how: str, follow: Follow
) -> None:
    group_id = await make_group(alice, bob)
    async with follow(bob.at(other_server), ADDED, id=group_id, after=0) as stream:
        first = await stream.event()
        await live(bob.at(other_server), "messages")
        await alice.say(group_id, "With Bob")
        if how == "removed":
            await remove(alice, group_id, bob)
        else:
            await bob.mutate(LEAVE, groupId=group_id)
        await alice.say(group_id, "Without Bob")

        assert first == {"seq": 1, "text": None, "system": {"kind": "GROUP_CREATED"}}
        assert await stream.event() == {"seq": 2, "text": "With Bob", "system": None}
        assert (await ending(stream)).complete


async def test_who_is_not_in_it_cannot_follow_it(
    alice: Person, bob: Person, carol: Person, follow: Follow
) -> None:
    group_id = await make_group(alice, bob)
    await remove(alice, group_id, bob)

    for person in (bob, carol):
        for channel_id in (group_id, "chn_" + "0" * 32):
            async with follow(person, ADDED, id=channel_id, after=0) as stream:
                assert (await ending(stream)).codes == ["NOT_FOUND"]


async def test_messages_begin_with_the_membership(
    alice: Person, bob: Person, follow: Follow
) -> None:
    group_id = await make_group(alice)
    await alice.say(group_id, "Before")
    await alice.mutate(ADD, groupId=group_id, userIds=[bob.id])

    async with follow(bob, ADDED, id=group_id, after=0) as stream:
        assert await stream.event() == {"seq": 3, "text": None, "system": {"kind": "MEMBER_ADDED"}}
