"""Members of groups: who may add and remove whom, and in which role members are."""

import pytest

from tests.api.channels.changing_members import (
    ADD_TO_GROUPS,
    AROUND,
    NODE,
    add,
    last_seq,
    refusal,
    set_role,
)
from tests.groups import (
    LOG,
    MEMBERS,
    NOBODY,
    REMOVE,
    SEEN,
    inner_id,
    make_group,
    notices,
    promote,
    roles,
)
from tests.make import MakePerson, Person
from tests.serving import ServedWith

# -------------------------------------------------------------------- adding


async def test_added_members_come_with_one_entry_and_read_from_it(
    alice: Person, bob: Person, carol: Person, person: MakePerson
) -> None:
    group_id = await make_group(alice, bob)
    await alice.say(group_id, "Before")
    dora = await person("Dora")

    added = await add(alice, group_id, carol, bob, dora, carol)

    assert (added["group"]["memberCount"], added["group"]["lastSeq"]) == (4, 3)
    assert (await notices(alice, group_id))[-1] == (
        3,
        "MEMBER_ADDED",
        alice.id,
        [carol.id, dora.id],
        None,
    )
    seen = (await dora.mutate(LOG, id=group_id))["messages"]["nodes"]
    assert [node["seq"] for node in seen] == [3]
    members = (await dora.mutate(MEMBERS, id=group_id))["members"]["nodes"]
    assert {m["user"]["id"]: m["joinedSeq"] for m in members} == {
        alice.id: 1,
        bob.id: 1,
        carol.id: 3,
        dora.id: 3,
    }
    (hers,) = [m["position"] for m in members if m["user"]["id"] == dora.id]
    assert hers == {"deliveredSeq": 2, "readSeq": 2}


async def test_what_came_before_is_nowhere_to_be_seen(
    alice: Person, bob: Person, carol: Person
) -> None:
    group_id = await make_group(alice, bob)
    before = await alice.say(group_id, "Before")
    await add(alice, group_id, carol)
    await bob.say(group_id, "Reply", replyToId=before["id"])

    page = await carol.mutate(AROUND, id=group_id)

    assert [node["seq"] for node in page["messages"]["nodes"]] == [3, 4]
    assert page["messages"]["pageInfo"] == {"hasPreviousPage": False}
    assert (page["unreadCount"], page["lastMessage"]) == (1, {"seq": 4})
    assert await carol.mutate(NODE, id=before["id"]) is None
    reply = """query ($id: ID!) { channel(id: $id) { lastMessage { text replyTo { text } } } }"""
    assert (await carol.mutate(reply, id=group_id))["lastMessage"]["replyTo"] is None
    assert (await alice.mutate(reply, id=group_id))["lastMessage"]["replyTo"] == {"text": "Before"}


async def test_adding_nobody_new_takes_no_seq(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)

    for already in ([], [bob], [alice, bob, bob]):
        added = await add(alice, group_id, *already)
        assert (added["group"]["lastSeq"], added["group"]["memberCount"]) == (1, 2)


async def test_all_are_added_or_none(
    alice: Person, bob: Person, carol: Person, person: MakePerson
) -> None:
    group_id = await make_group(alice)
    dora = await person("Dora")
    await dora.mutate(ADD_TO_GROUPS, audience="NOBODY")

    unwilling = await add(alice, group_id, bob, dora, carol)
    unknown = await add(alice, group_id, bob, NOBODY, dora)
    nonsense = await add(alice, group_id, bob, "nonsense")

    assert refusal(unwilling) == ("FORBIDDEN", "userIds.1")
    assert refusal(unknown) == refusal(nonsense) == ("NOT_FOUND", "userIds.1")
    assert await roles(alice, group_id) == {alice.id: "OWNER"}
    assert await last_seq(alice, group_id) == 1


async def test_who_is_in_already_is_not_asked(alice: Person, bob: Person, carol: Person) -> None:
    group_id = await make_group(alice, bob)
    await bob.mutate(ADD_TO_GROUPS, audience="NOBODY")

    assert (await add(alice, group_id, bob, carol))["group"]["memberCount"] == 3


async def test_all_must_fit(
    alice: Person, bob: Person, carol: Person, person: MakePerson, served_with: ServedWith
) -> None:
    dora = await person("Dora")
    async with served_with(group_members=3) as small:
        owner = alice.at(small)
        group_id = await make_group(owner, bob)
        full = await add(owner, group_id, carol, dora)
        fits = await add(owner, group_id, carol, bob)
        many = await add(owner, group_id, *(f"usr_{n:032x}" for n in range(50)))

    assert refusal(full) == refusal(many) == ("GROUP_FULL", None)
    assert fits["group"]["seatsLeft"] == 0
    assert await last_seq(alice, group_id) == 2


async def test_members_do_not_add(alice: Person, bob: Person, carol: Person) -> None:
    group_id = await make_group(alice, bob)

    assert refusal(await add(bob, group_id, carol)) == ("FORBIDDEN", None)
    await promote(alice, group_id, bob)
    assert (await add(bob, group_id, carol))["group"]["memberCount"] == 3


# -------------------------------------------------------------------- removing


async def test_a_removed_member_sees_nothing_any_more(
    alice: Person, bob: Person, carol: Person
) -> None:
    group_id = await make_group(alice, bob, carol)
    said = await bob.say(group_id, "Mine")

    removed = await alice.mutate(REMOVE, groupId=group_id, userId=bob.id)

    assert (removed["group"]["memberCount"], removed["group"]["lastSeq"]) == (2, 3)
    assert (await notices(carol, group_id))[-1] == (3, "MEMBER_REMOVED", alice.id, [bob.id], None)
    assert set(await roles(carol, group_id)) == {alice.id, carol.id}
    assert await bob.mutate(SEEN, id=group_id) is None
    channel = inner_id(group_id)
    for each in (group_id, said["id"], f"msg_{channel}_3", f"mbr_{channel}_{bob.user.id}"):
        assert await bob.mutate(NODE, id=each) is None
    assert await bob.mutate("query { channels { nodes { id } } }") == {"nodes": []}
    assert refusal(await bob.send(bob.draft(group_id, "Still here")))[0] == "NOT_FOUND"
    assert await bob.acknowledge(group_id, read=3) == []


@pytest.mark.parametrize(
    ("who", "whom", "allowed"),
    [
        ("owner", "owner", True),
        ("owner", "admin", True),
        ("owner", "member", True),
        ("admin", "owner", False),
        ("admin", "admin", False),
        ("admin", "member", True),
        ("member", "owner", False),
        ("member", "member", False),
    ],
)
async def test_who_may_remove_whom(
    alice: Person, person: MakePerson, who: str, whom: str, allowed: bool
) -> None:
    people = {
        f"{role}{n}": await person(f"{role}{n}")
        for role in ("owner", "admin", "member")
        for n in "12"
    }
    group_id = await make_group(alice, *people.values())
    for name, each in people.items():
        if name[:-1] != "member":
            await promote(alice, group_id, each, name[:-1].upper())
    before = await last_seq(alice, group_id)

    answer = await people[who + "1"].mutate(REMOVE, groupId=group_id, userId=people[whom + "2"].id)

    assert (answer["__typename"] == "GroupPayload") is allowed
    assert await last_seq(alice, group_id) == before + allowed
    if not allowed:
        assert answer["code"] == "FORBIDDEN"


async def test_nobody_removes_themselves_or_one_who_is_not_in_it(
    alice: Person, bob: Person, carol: Person
) -> None:
    group_id = await make_group(alice, bob)

    itself = await alice.mutate(REMOVE, groupId=group_id, userId=alice.id)
    absent = [
        await alice.mutate(REMOVE, groupId=group_id, userId=user_id)
        for user_id in (carol.id, NOBODY, "nonsense")
    ]

    assert refusal(itself) == ("INVALID_INPUT", "userId")
    assert [refusal(each) for each in absent] == [("NOT_FOUND", "userId")] * 3
    assert await last_seq(alice, group_id) == 1


# -------------------------------------------------------------------- roles


async def test_a_new_role_is_one_entry(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)

    promoted = await set_role(alice, group_id, bob, "OWNER")
    same = await set_role(alice, group_id, bob, "OWNER")
    demoted = await set_role(bob, group_id, alice, "MEMBER")

    assert [each["group"]["lastSeq"] for each in (promoted, same, demoted)] == [2, 2, 3]
    assert await roles(bob, group_id) == {alice.id: "MEMBER", bob.id: "OWNER"}
    assert (await notices(bob, group_id))[1:] == [
        (2, "ROLE_CHANGED", alice.id, [bob.id], "OWNER"),
        (3, "ROLE_CHANGED", bob.id, [alice.id], "MEMBER"),
    ]


async def test_the_last_owner_cannot_be_demoted(alice: Person, bob: Person) -> None:
    group_id = await make_group(alice, bob)

    for role in ("ADMIN", "MEMBER"):
        assert refusal(await set_role(alice, group_id, alice, role)) == ("LAST_OWNER", "userId")
    assert await roles(bob, group_id) == {alice.id: "OWNER", bob.id: "MEMBER"}

    await promote(alice, group_id, bob, "OWNER")
    assert (await set_role(alice, group_id, alice, "ADMIN"))["group"]["viewerRole"] == "ADMIN"


async def test_only_owners_change_roles(alice: Person, bob: Person, carol: Person) -> None:
    group_id = await make_group(alice, bob, carol)

    for role in ("MEMBER", "ADMIN"):
        if role == "ADMIN":
            await promote(alice, group_id, bob)
        for whom in (bob, carol, alice):
            answer = await set_role(bob, group_id, whom, "ADMIN")
            assert refusal(answer) == ("FORBIDDEN", None)
    assert await last_seq(alice, group_id) == 2


async def test_only_members_have_a_role(alice: Person, carol: Person) -> None:
    group_id = await make_group(alice)

    assert refusal(await set_role(alice, group_id, carol, "ADMIN")) == ("NOT_FOUND", "userId")
