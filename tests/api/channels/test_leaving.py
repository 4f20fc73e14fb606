"""Leaving a group: who takes over, coming back, and acknowledging afterwards."""

import asyncio
from typing import Any

from models.postgresql.database import Database
from tests.api.channels.changing_members import AROUND, NODE, add, last_seq, leave, refusal
from tests.groups import (
    LOG,
    MEMBERS,
    join,
    make_group,
    make_invite,
    notices,
    promote,
    remove,
    roles,
)
from tests.make import ACKNOWLEDGE, MakePerson, Person
from tests.serving import Server

# -------------------------------------------------------------------- leaving


async def test_a_member_leaves_with_one_entry(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)

    left = await leave(bob, group_id)

    assert left == {"__typename": "LeaveGroupPayload", "groupId": group_id}
    assert (await notices(alice, group_id))[-1] == (2, "MEMBER_LEFT", bob.id, [], None)
    assert refusal(await leave(bob, group_id)) == ("NOT_FOUND", "groupId")
    assert await last_seq(alice, group_id) == 2


async def test_a_last_owner_hands_over_to_the_longest_serving_admin(
    alice: Person, bob: Person, carol: Person, person: MakePerson
) -> None:
    group_id = await make_group(alice, bob)
    await add(alice, group_id, carol)
    dora = await person("Dora")
    await add(alice, group_id, dora)
    for later_first in (dora, carol):
        await promote(alice, group_id, later_first)

    await leave(alice, group_id)

    assert await roles(bob, group_id) == {bob.id: "MEMBER", carol.id: "OWNER", dora.id: "ADMIN"}
    assert (await notices(bob, group_id))[-2:] == [
        (6, "ROLE_CHANGED", alice.id, [carol.id], "OWNER"),
        (7, "MEMBER_LEFT", alice.id, [], None),
    ]


async def test_without_admins_the_longest_serving_member_takes_over(
    alice: Person, bob: Person, carol: Person
) -> None:
    group_id = await make_group(alice, bob)
    await add(alice, group_id, carol)
    token = await make_invite(alice, group_id)
    await leave(bob, group_id)
    await join(bob, token)  # Who comes back has served less long.

    await leave(alice, group_id)

    assert await roles(bob, group_id) == {bob.id: "MEMBER", carol.id: "OWNER"}


async def test_an_owner_among_others_just_leaves(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)
    await promote(alice, group_id, bob, "OWNER")

    await leave(alice, group_id)

    assert [notice[1] for notice in await notices(bob, group_id)][-2:] == [
        "ROLE_CHANGED",
        "MEMBER_LEFT",
    ]
    assert await last_seq(bob, group_id) == 3


async def test_the_last_to_leave_closes_it(alice: Person, bob: Person, database: Database) -> None:
    group_id = await make_group(alice, bob)
    token = await make_invite(alice, group_id)
    await leave(bob, group_id)

    await leave(alice, group_id)

    assert refusal(await join(alice, token)) == ("INVITE_EXPIRED", "inviteToken")
    row = await database.fetchrow(
        "SELECT closed_at, (SELECT last_seq FROM channels WHERE id = channel_id) FROM groups"
    )
    assert row is not None
    assert row[0] is not None
    assert row[1] == 3


# -------------------------------------------------------------------- coming back


async def test_a_rejoin_is_a_new_membership(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)
    await promote(alice, group_id, bob)
    said = await alice.say(group_id, "One")
    await bob.acknowledge(group_id, delivered=3, read=3)
    await leave(bob, group_id)
    await alice.say(group_id, "Without Bob")

    await add(alice, group_id, bob)
    await alice.say(group_id, "Two")

    seen = (await bob.mutate(LOG, id=group_id))["messages"]["nodes"]
    assert [node["seq"] for node in seen] == [6, 7]
    assert await bob.mutate(NODE, id=said["id"]) is None
    members = (await alice.mutate(MEMBERS, id=group_id))["members"]["nodes"]
    (his,) = [member for member in members if member["user"]["id"] == bob.id]
    assert his == {
        "user": {"id": bob.id},
        "role": "MEMBER",
        "joinedSeq": 6,
        "position": {"deliveredSeq": 5, "readSeq": 5},
    }
    own = await bob.mutate(AROUND, id=group_id)
    assert (own["unreadCount"], own["position"]) == (1, {"deliveredSeq": 5, "readSeq": 5})
    moved = await bob.acknowledge(group_id, delivered=2, read=7)
    assert moved == [{"channelId": group_id, "deliveredSeq": 7, "readSeq": 7}]


async def test_a_rejoin_ends_the_mute(alice: Person, bob: Person) -> None:
    mute = """mutation ($id: ID!) { muteChannel(channelId: $id, until: "2999-01-01T00:00:00Z") {
        __typename } }"""
    muted = "query ($id: ID!) { channel(id: $id) { mutedUntil } }"
    group_id = await make_group(alice, bob)
    await bob.mutate(mute, id=group_id)
    await remove(alice, group_id, bob)

    await add(alice, group_id, bob)

    assert (await bob.mutate(muted, id=group_id))["mutedUntil"] is None


# -------------------------------------------------------------------- acknowledging after leaving


async def test_one_who_left_may_acknowledge_up_to_the_entry_that_says_so(
    alice: Person, bob: Person, database: Database
) -> None:
    """So that it is not replayed again; nothing is answered, and no receipt is written."""
    group_id = await make_group(alice, bob)
    await bob.acknowledge(group_id, delivered=1)
    await remove(alice, group_id, bob)
    receipts = await database.fetchval("SELECT count(*) FROM receipts")

    async def stored() -> Any:
        return await database.fetchval(
            "SELECT delivered_seq FROM device_positions WHERE device_id = $1", bob.inner_device_id
        )

    assert await bob.acknowledge(group_id, read=2) == []
    assert await stored() == 1
    assert await bob.acknowledge(group_id, delivered=99) == []
    assert await stored() == 2
    assert await bob.acknowledge(group_id, delivered=1) == []
    assert await stored() == 2
    assert await database.fetchval("SELECT count(*) FROM receipts") == receipts


async def test_a_stranger_acknowledges_nothing(
    alice: Person, carol: Person, database: Database
) -> None:
    group_id = await make_group(alice)

    await carol.mutate(ACKNOWLEDGE, input={"delivered": [{"channelId": group_id, "seq": 1}]})

    assert await database.fetchval("SELECT count(*) FROM device_positions") == 0


async def test_racing_leaves_leave_an_owner(
    alice: Person, bob: Person, carol: Person, other_server: Server
) -> None:
    group_id = await make_group(alice, bob, carol)
    await promote(alice, group_id, bob, "OWNER")

    left = await asyncio.gather(leave(alice, group_id), leave(bob.at(other_server), group_id))

    assert {each["__typename"] for each in left} == {"LeaveGroupPayload"}
    assert await roles(carol, group_id) == {carol.id: "OWNER"}
    assert [notice[0] for notice in await notices(carol, group_id)] == [1, 2, 3, 4, 5]
