"""Invites: links into a group, joining by them, and what ends them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.client import Json
from tests.groups import (
    INVITE_IN,
    LEAVE,
    PREVIEW,
    REVOKE,
    SEEN,
    join,
    make_group,
    make_invite,
    notices,
    promote,
    remove,
    roles,
)
from tests.make import MakePerson, Person
from tests.serving import ServedWith, Server

NEVER_MADE = "A" * 44


def later(hours: float = 1) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def refusal(answer: Json) -> tuple[str, str | None]:
    assert answer["__typename"] == "Refusal", answer
    return answer["code"], answer["field"]


async def invite(person: Person, group_id: str, **more: Any) -> Json:
    made: Json = await person.mutate(INVITE_IN, input={"groupId": group_id} | more)
    return made


async def listed(person: Person, group_id: str) -> list[str] | None:
    """Return the tokens in the list, or None where there is no list."""
    found = (await person.mutate(SEEN, id=group_id))["invites"]
    return None if found is None else [each["token"] for each in found]


async def preview(person: Person, token: str) -> Any:
    return await person.mutate(PREVIEW, token=token)


# -------------------------------------------------------------------- making and listing


async def test_is_made_and_listed_without_an_entry(alice: Person) -> None:
    group_id = await make_group(alice)
    expires_at = "2999-01-31T12:00:00.000Z"

    made = await invite(alice, group_id, expiresAt=expires_at, maxUses=3)

    assert made["invite"].pop("createdAt")
    assert len(made["invite"]["token"]) >= 22
    assert made["invite"] | {"token": ""} == {
        "token": "",
        "groupId": group_id,
        "createdBy": {"id": alice.id},
        "expiresAt": expires_at,
        "usesLeft": 3,
    }
    seen = await alice.mutate(SEEN, id=group_id)
    assert (seen["lastSeq"], [each["usesLeft"] for each in seen["invites"]]) == (1, [3])


async def test_has_no_bounds_unless_given(alice: Person) -> None:
    group_id = await make_group(alice)

    made = await invite(alice, group_id, expiresAt=None)

    assert (made["invite"]["expiresAt"], made["invite"]["usesLeft"]) == (None, None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"maxUses": 0}, "maxUses"),
        ({"maxUses": -1}, "maxUses"),
        ({"maxUses": 1001}, "maxUses"),
    ],
)
async def test_wrong_bounds_are_refused(alice: Person, wrong: Any, field: str) -> None:
    group_id = await make_group(alice)

    assert refusal(await invite(alice, group_id, **wrong)) == ("INVALID_INPUT", field)
    assert await listed(alice, group_id) == []


async def test_only_so_many_are_in_force_at_once(alice: Person, served_with: ServedWith) -> None:
    async with served_with(group_invites=2) as server:
        owner = alice.at(server)
        group_id = await make_group(owner)
        tokens = [await make_invite(owner, group_id) for _ in range(2)]
        full = await invite(owner, group_id)
        await owner.mutate(REVOKE, token=tokens[0])
        again = await make_invite(owner, group_id)

        assert refusal(full) == ("INVALID_INPUT", "groupId")
        assert await listed(owner, group_id) == [again, tokens[1]]


async def test_owners_and_admins_make_and_see_them_and_members_do_not(
    alice: Person, bob: Person, carol: Person
) -> None:
    group_id = await make_group(alice, bob, carol)
    await promote(alice, group_id, bob)
    token = await make_invite(bob, group_id)

    by_member = await invite(carol, group_id)
    revoked = await carol.mutate(REVOKE, token=token)

    assert refusal(by_member) == refusal(revoked) == ("FORBIDDEN", None)
    assert [await listed(who, group_id) for who in (alice, bob, carol)] == [[token], [token], None]


async def test_the_lists_of_many_groups_come_together(alice: Person, bob: Person) -> None:
    mine, his = await make_group(alice, bob), await make_group(bob, alice)
    token = await make_invite(alice, mine)
    await make_invite(bob, his)
    document = "query { channels { nodes { id ... on Group { invites { token } } } } }"

    found = (await alice.mutate(document))["nodes"]

    assert {each["id"]: each["invites"] for each in found} == {mine: [{"token": token}], his: None}


# -------------------------------------------------------------------- joining


async def test_whoever_has_the_token_joins_with_one_entry(
    alice: Person, bob: Person, carol: Person
) -> None:
    group_id = await make_group(alice, bob)
    token = await make_invite(alice, group_id, maxUses=2)

    joined = await join(carol, token)

    assert joined["group"] | {"name": ""} == {
        "id": group_id,
        "name": "",
        "description": None,
        "memberCount": 3,
        "seatsLeft": 97,
        "viewerRole": "MEMBER",
        "lastSeq": 2,
    }
    assert await notices(carol, group_id) == [(2, "MEMBER_JOINED", carol.id, [], None)]
    assert (await alice.mutate(SEEN, id=group_id))["invites"][0]["usesLeft"] == 1


async def test_one_who_is_in_it_gets_the_group_and_uses_nothing(alice: Person, bob: Person) -> None:
    """Also when the invite is used up: an answer may have got lost."""
    group_id = await make_group(alice)
    token = await make_invite(alice, group_id, maxUses=1)
    await join(bob, token)

    for member in (alice, bob):
        again = await join(member, token)
        assert (again["group"]["id"], again["group"]["lastSeq"]) == (group_id, 2)
    assert await listed(alice, group_id) == []


async def test_privacy_does_not_keep_one_from_joining(
    alice: Person, bob: Person, carol: Person
) -> None:
    await bob.mutate("mutation { updatePrivacy(input: { addToGroups: NOBODY }) { __typename } }")
    await bob.mutate(
        "mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }", id=alice.id
    )
    group_id = await make_group(alice, carol)

    joined = await join(bob, await make_invite(alice, group_id))

    assert joined["group"]["memberCount"] == 3


async def test_a_full_group_uses_nothing(
    alice: Person, bob: Person, carol: Person, served_with: ServedWith
) -> None:
    async with served_with(group_members=2) as small:
        group_id = await make_group(alice.at(small), bob)
        token = await make_invite(alice.at(small), group_id, maxUses=1)

        assert refusal(await join(carol.at(small), token)) == ("GROUP_FULL", None)
        assert await preview(carol.at(small), token) == {
            "name": "Hikers",
            "memberCount": 2,
            "seatsLeft": 0,
        }
        await remove(alice.at(small), group_id, bob)
        assert (await join(carol.at(small), token))["group"]["memberCount"] == 2


async def test_a_use_is_spent_once_however_many_ask(
    alice: Person, person: MakePerson, other_server: Server
) -> None:
    group_id = await make_group(alice)
    token = await make_invite(alice, group_id, maxUses=3)
    people = [await person(f"Person {n}") for n in range(9)]

    answers = await asyncio.gather(
        *(join(who.at(other_server) if n % 2 else who, token) for n, who in enumerate(people))
    )

    codes = [each.get("code", "joined") for each in answers]
    assert sorted(codes) == ["INVITE_EXPIRED"] * 6 + ["joined"] * 3
    assert len(await roles(alice, group_id)) == 4


# -------------------------------------------------------------------- what ends them


@pytest.mark.parametrize("ended", ["expired", "used up", "revoked", "closed"])
async def test_one_that_has_ended_says_so_and_shows_nothing(
    alice: Person, bob: Person, carol: Person, database: Database, ended: str
) -> None:
    group_id = await make_group(alice)
    token = await make_invite(alice, group_id, maxUses=1, expiresAt=later())
    if ended == "expired":
        await database.execute("UPDATE invites SET expires_at = now() - interval '1 s'")
    elif ended == "used up":
        await join(bob, token)
    elif ended == "revoked":
        await alice.mutate(REVOKE, token=token)
    else:
        await alice.mutate(LEAVE, groupId=group_id)

    assert refusal(await join(carol, token)) == ("INVITE_EXPIRED", "inviteToken")
    assert await preview(carol, token) is None
    if ended != "closed":
        assert await listed(alice, group_id) == []
        assert carol.id not in await roles(alice, group_id)


@pytest.mark.parametrize(
    "token", [NEVER_MADE, "", "x", "A" * 43, "A" * 45, "A" * 43 + "=", "é" * 44]
)
async def test_one_that_never_was_is_not_found(alice: Person, carol: Person, token: str) -> None:
    assert refusal(await join(carol, token)) == ("NOT_FOUND", "inviteToken")
    assert refusal(await carol.mutate(REVOKE, token=token)) == ("NOT_FOUND", "token")
    assert await preview(carol, token) is None


async def test_a_forged_token_of_a_real_group_is_like_any_other(
    alice: Person, carol: Person
) -> None:
    """Its first half is the group's id: that alone opens nothing, and tells nothing."""
    group_id = await make_group(alice)
    token = await make_invite(alice, group_id)
    forged = token[:22] + ("A" if token[22] != "A" else "B") + token[23:]

    answers = [
        [await carol.post(document, **variables) for document, variables in asked]
        for asked in (
            (
                (PREVIEW, {"token": each}),
                (REVOKE, {"token": each}),
                (
                    "mutation ($t: String!) { joinGroup(input: { inviteToken: $t }) {"
                    " __typename ... on Refusal { code reason field } } }",
                    {"t": each},
                ),
            )
            for each in (forged, NEVER_MADE)
        )
    ]

    assert [a.content for a in answers[0]] == [a.content for a in answers[1]]
    assert (await alice.mutate(SEEN, id=group_id))["memberCount"] == 1


async def test_revoking_is_safe_to_repeat(alice: Person) -> None:
    group_id = await make_group(alice)
    token = await make_invite(alice, group_id)

    for _ in range(2):
        revoked = await alice.mutate(REVOKE, token=token)
        assert (revoked["group"]["id"], revoked["group"]["lastSeq"]) == (group_id, 1)
    assert refusal(await alice.mutate(REVOKE, token=NEVER_MADE)) == ("NOT_FOUND", "token")


async def test_a_preview_shows_what_is_there_now(alice: Person, bob: Person, carol: Person) -> None:
    group_id = await make_group(alice, bob)
    token = await make_invite(alice, group_id)
    before = await preview(carol, token)
    await remove(alice, group_id, bob)

    assert before == {"name": "Hikers", "memberCount": 2, "seatsLeft": 98}
    assert await preview(carol, token) == {"name": "Hikers", "memberCount": 1, "seatsLeft": 99}


async def test_tokens_have_at_least_128_random_bits(alice: Person, database: Database) -> None:
    """What two tokens of one group share is the group's id and nothing else."""
    group_id = await make_group(alice)

    tokens = {await make_invite(alice, group_id) for _ in range(8)}

    assert len({token[:21] for token in tokens}) == 1
    assert len({token[22:] for token in tokens}) == 8
    assert all(len(token[22:]) * 6 >= 128 for token in tokens)
    assert all(len({token[place] for token in tokens}) > 1 for place in range(22, 44))
