"""Groups live: what those hear who left or were removed while away, and who came back."""

import pytest

from tests.client import events, until
from tests.groups import (
    ADD,
    LEAVE,
    make_group,
    remove,
)
from tests.live.conftest import Follow
from tests.live.groups.group_events import INBOX, next_events, position, replay
from tests.make import AnotherDevice, Person
from tests.serving import Server


async def test_a_rejoiner_hears_nothing_of_the_time_between(
    alice: Person, bob: Person, other_server: Server, follow: Follow
) -> None:
    group_id = await make_group(alice, bob)
    async with follow(bob.at(other_server), INBOX) as stream:
        await until(stream, "InboxReady")

        await bob.mutate(LEAVE, groupId=group_id)
        await alice.say(group_id, "Without Bob")
        await alice.mutate(ADD, groupId=group_id, userIds=[bob.id])
        await alice.say(group_id, "With Bob")

        assert await next_events(stream, 3) == [
            (2, "MEMBER_LEFT", False),
            (4, "MEMBER_ADDED", True),
            (5, "With Bob"),
        ]


async def test_who_was_removed_while_away_gets_only_the_entry_that_says_so(
    alice: Person, bob: Person, other_server: Server, follow: Follow
) -> None:
    """Again and again, until this device acknowledges it."""
    group_id = await make_group(alice, bob)
    await alice.say(group_id, "Missed")
    await remove(alice, group_id, bob)
    await alice.say(group_id, "Without Bob")

    for start in ([], position(group_id, 1), position(group_id, 2)):
        async with follow(bob, INBOX, after=start) as stream:
            assert await replay(stream) == [(3, "MEMBER_REMOVED", False)]

    await bob.acknowledge(group_id, delivered=2)
    async with follow(bob.at(other_server), INBOX) as stream:
        assert await replay(stream) == [(3, "MEMBER_REMOVED", False)]
    await bob.acknowledge(group_id, delivered=3)
    async with follow(bob.at(other_server), INBOX) as stream:
        assert await replay(stream) == []


async def test_one_who_names_the_entry_that_took_them_out_is_not_told_again(
    alice: Person, bob: Person, follow: Follow
) -> None:
    group_id = await make_group(alice, bob)
    await remove(alice, group_id, bob)
    await alice.say(group_id, "Without Bob")

    for seq in (2, 3, 99):
        async with follow(bob, INBOX, after=position(group_id, seq)) as stream:
            assert await replay(stream) == []


async def test_each_device_is_told_until_it_acknowledges_and_a_new_one_is_not(
    alice: Person, bob: Person, another_device: AnotherDevice, follow: Follow
) -> None:
    tablet = await another_device(bob)
    group_id = await make_group(alice, bob)
    await remove(alice, group_id, bob)
    new = await another_device(bob)
    await bob.acknowledge(group_id, delivered=2)

    told = {}
    for name, device in (("phone", bob), ("tablet", tablet), ("new", new)):
        async with follow(device, INBOX) as stream:
            told[name] = await replay(stream)

    assert told == {"phone": [], "tablet": [(2, "MEMBER_REMOVED", False)], "new": []}


async def test_a_rejoin_while_away_begins_there_whatever_the_device_acknowledged_before(
    alice: Person, bob: Person, follow: Follow
) -> None:
    group_id = await make_group(alice, bob)
    await alice.say(group_id, "Two")
    await bob.acknowledge(group_id, delivered=2)
    await remove(alice, group_id, bob)
    await bob.acknowledge(group_id, delivered=3)
    await alice.say(group_id, "Without Bob")
    await alice.mutate(ADD, groupId=group_id, userIds=[bob.id])

    async with follow(bob, INBOX) as stream:
        assert await replay(stream) == [(5, "MEMBER_ADDED", True)]
        await alice.say(group_id, "Live")
        assert await next_events(stream, 1) == [(6, "Live")]


@pytest.mark.parametrize("seq", [0, 2, 3])
async def test_a_position_of_an_earlier_membership_means_fetch_again(
    alice: Person, bob: Person, seq: int, follow: Follow
) -> None:
    group_id = await make_group(alice, bob)
    await alice.say(group_id, "Two")
    await remove(alice, group_id, bob)
    await alice.say(group_id, "Without Bob")
    await alice.mutate(ADD, groupId=group_id, userIds=[bob.id])

    async with follow(bob, INBOX, after=position(group_id, seq)) as stream:
        resync, ready = await events(stream, 2)
        assert resync == {"__typename": "ResyncRequired", "channelId": group_id, "seq": 5}
        assert ready == {"__typename": "InboxReady", "replayed": 0}
        await alice.say(group_id, "Live")
        assert await next_events(stream, 1) == [(6, "Live")]
