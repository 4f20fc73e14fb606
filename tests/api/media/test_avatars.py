"""Pictures of people and groups: which may become one, who sees them, and what is told."""

import pytest

from models.media.media import MediaKind, MediaState
from models.postgresql.database import Database
from tests.client import Json
from tests.groups import join, make_group, make_invite, notices
from tests.make import REFUSAL, Person
from tests.uploading import (
    MEDIA,
    PROFILE,
    UNKNOWN,
    list_jobs,
    make_media,
    sees,
    send_media,
    sent_media,
    set_state,
)

AVATAR = f"avatar {{ {MEDIA} }}"
CREATE = f"""mutation ($input: CreateGroupInput!) {{ createGroup(input: $input) {{ __typename
    ... on GroupPayload {{ group {{ id {AVATAR} }} }} {REFUSAL} }} }}"""
UPDATE = f"""mutation ($input: UpdateGroupInput!) {{ updateGroup(input: $input) {{ __typename
    ... on GroupPayload {{ group {{ id name {AVATAR} }} }} {REFUSAL} }} }}"""
USER = f"query ($id: ID!) {{ user(id: $id) {{ {AVATAR} }} }}"
GROUP = f"query ($id: ID!) {{ channel(id: $id) {{ ... on Group {{ {AVATAR} }} }} }}"
PREVIEW = f"query ($token: String!) {{ groupInvite(token: $token) {{ name {AVATAR} }} }}"
INBOX = f"""subscription {{ inbox {{ __typename
    ... on ViewerUpdated {{ viewer {{ avatar {{ id }} }} }}
    ... on ChannelUpdated {{ message {{ system {{ kind }} }}
        channel {{ ... on Group {{ {AVATAR} }} }} }} }} }}"""


async def set_picture(person: Person, media_id: str | None, **more: str) -> Json:
    changed: Json = await person.mutate(PROFILE, input={"avatarMediaId": media_id} | more)
    return changed


async def set_group_picture(person: Person, group: str, media_id: str | None) -> Json:
    changed: Json = await person.mutate(UPDATE, input={"groupId": group, "avatarMediaId": media_id})
    return changed


# -------------------------------------------------------------------- people


async def test_a_picture_is_seen_by_whoever_sees_the_user(
    alice: Person, carol: Person, media_id: str
) -> None:
    changed = await set_picture(alice, media_id)

    seen = (await carol.mutate(USER, id=alice.id))["avatar"]
    assert (seen["id"], seen["state"], seen["width"]) == (media_id, "READY", 640)
    assert seen["renditions"] == changed["user"]["avatar"]["renditions"] != []
    assert await sees(carol, media_id)


async def test_absent_keeps_it_and_null_clears_it(
    alice: Person, carol: Person, media_id: str
) -> None:
    await set_picture(alice, media_id)

    kept = await alice.mutate(PROFILE, input={"name": "Alice B."})
    cleared = await set_picture(alice, None)

    assert kept["user"]["avatar"]["id"] == media_id
    assert cleared["user"] == {"id": alice.id, "name": "Alice B.", "avatar": None}
    assert not await sees(carol, media_id)


async def test_what_a_picture_replaces_is_let_go(
    database: Database, alice: Person, carol: Person, media_id: str
) -> None:
    other_id = await make_media(database, alice)
    for each in (media_id, media_id, other_id):
        await set_picture(alice, each)

    assert len(await list_jobs(database, "media_release", media_id)) == 1
    assert await list_jobs(database, "media_release", other_id) == []
    assert not await sees(carol, media_id)
    assert await sees(carol, other_id)


@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [
        (MediaKind.IMAGE, MediaState.AWAITING_UPLOAD, "MEDIA_NOT_READY"),
        (MediaKind.IMAGE, MediaState.PROCESSING, "MEDIA_NOT_READY"),
        (MediaKind.IMAGE, MediaState.FAILED, "MEDIA_REJECTED"),
        (MediaKind.IMAGE, MediaState.EXPIRED, "NOT_FOUND"),
        (MediaKind.VIDEO, MediaState.READY, "MEDIA_REJECTED"),
        (MediaKind.FILE, MediaState.READY, "MEDIA_REJECTED"),
    ],
)
async def test_only_a_ready_image_becomes_one(
    database: Database, alice: Person, kind: MediaKind, state: MediaState, code: str
) -> None:
    media_id = await make_media(database, alice, kind=kind, state=state)

    refused = await set_picture(alice, media_id, name="Not this either")

    assert (refused["code"], refused["field"]) == (code, "avatarMediaId")
    assert (await alice.mutate("{ viewer { name } }"))["name"] == "Alice"


async def test_another_s_file_is_as_one_that_does_not_exist(bob: Person, media_id: str) -> None:
    refusals = [await set_picture(bob, id_) for id_ in (media_id, UNKNOWN, "nonsense")]

    assert (refusals[0]["code"], refusals[0]["field"]) == ("NOT_FOUND", "avatarMediaId")
    assert all(each == refusals[0] for each in refusals)


async def test_a_picture_that_another_sent_may_become_one(
    alice: Person, bob: Person, chat: str, media_id: str
) -> None:
    await sent_media(alice, chat, media_id)

    assert (await set_picture(bob, media_id))["user"]["avatar"]["id"] == media_id


async def test_a_picture_is_a_copy_that_outlives_what_becomes_of_the_file(
    database: Database, alice: Person, bob: Person, media_id: str
) -> None:
    await set_picture(alice, media_id)
    await set_state(database, media_id, MediaState.FAILED)

    assert (await bob.mutate(USER, id=alice.id))["avatar"]["state"] == "READY"


async def test_the_viewer_s_other_devices_are_told(alice: Person, media_id: str) -> None:
    async with alice.follow(INBOX) as stream:
        assert (await stream.event())["__typename"] == "InboxReady"
        await set_picture(alice, media_id)

        told = await stream.event()
    assert told == {"__typename": "ViewerUpdated", "viewer": {"avatar": {"id": media_id}}}


# -------------------------------------------------------------------- groups


async def test_a_group_may_be_made_with_one(
    alice: Person, bob: Person, carol: Person, media_id: str
) -> None:
    asked = {"name": "Hikers", "memberIds": [bob.id], "avatarMediaId": media_id}

    made = await alice.mutate(CREATE, input=asked)

    assert made["group"]["avatar"]["id"] == media_id
    assert await sees(bob, media_id)
    assert not await sees(carol, media_id)


async def test_making_it_again_is_the_same_group_whatever_became_of_the_file(
    database: Database, alice: Person, media_id: str
) -> None:
    asked = {"name": "Hikers", "memberIds": [], "clientGroupId": "1", "avatarMediaId": media_id}
    first = await alice.mutate(CREATE, input=asked)
    await set_state(database, media_id, MediaState.FAILED)

    again = await alice.mutate(CREATE, input=asked)
    other = await alice.mutate(CREATE, input=asked | {"avatarMediaId": None})

    assert again["group"]["id"] == first["group"]["id"]
    assert other["code"] == "CONFLICT"


async def test_a_group_that_cannot_have_it_is_not_made(alice: Person) -> None:
    asked = {"name": "Hikers", "memberIds": [], "avatarMediaId": UNKNOWN}

    refused = await alice.mutate(CREATE, input=asked)

    assert (refused["code"], refused["field"]) == ("NOT_FOUND", "avatarMediaId")
    assert (await alice.mutate("{ channels { nodes { id } } }"))["nodes"] == []


async def test_a_group_s_picture_is_seen_by_members_and_by_who_has_a_link(
    alice: Person, bob: Person, carol: Person, media_id: str
) -> None:
    group = await make_group(alice, bob)
    await set_group_picture(alice, group, media_id)
    token = await make_invite(alice, group)

    assert (await bob.mutate(GROUP, id=group))["avatar"]["id"] == media_id
    preview = await carol.mutate(PREVIEW, token=token)
    assert (preview["avatar"]["id"], len(preview["avatar"]["renditions"])) == (media_id, 1)
    assert not await sees(carol, media_id)
    await join(carol, token)
    assert await sees(carol, media_id)


async def test_another_picture_is_one_entry_and_the_same_one_is_none(
    database: Database, alice: Person, bob: Person, media_id: str
) -> None:
    group = await make_group(alice, bob)
    for each in (media_id, media_id, None, None):
        await set_group_picture(alice, group, each)

    kinds = [kind for _, kind, *_ in await notices(bob, group)]
    assert kinds == ["GROUP_CREATED", "GROUP_CHANGED", "GROUP_CHANGED"]
    assert (await bob.mutate(GROUP, id=group))["avatar"] is None
    assert len(await list_jobs(database, "media_release", media_id)) == 1


async def test_an_admin_may_send_back_the_picture_that_another_set(
    alice: Person, bob: Person, media_id: str
) -> None:
    """Whoever may see it may use it: a form that is saved unchanged changes nothing."""
    group = await make_group(alice, bob)
    await set_group_picture(alice, group, media_id)
    await alice.mutate(
        "mutation ($g: ID!, $u: ID!) { setMemberRole(groupId: $g, userId: $u, role: ADMIN)"
        " { __typename } }",
        g=group,
        u=bob.id,
    )

    assert (await set_group_picture(bob, group, media_id))["__typename"] == "GroupPayload"


async def test_members_cannot_change_it_nor_strangers(
    database: Database, alice: Person, bob: Person, carol: Person
) -> None:
    group = await make_group(alice, bob)
    codes = {}
    for person in (bob, carol):
        refused = await set_group_picture(person, group, await make_media(database, person))
        codes[person.user.name] = refused["code"]

    assert codes == {"Bob": "FORBIDDEN", "Carol": "NOT_FOUND"}


async def test_members_are_told_of_it_with_the_picture(
    alice: Person, bob: Person, media_id: str
) -> None:
    group = await make_group(alice, bob)
    async with bob.follow(INBOX) as stream:
        while (await stream.event())["__typename"] != "InboxReady":
            pass
        changed = await set_group_picture(alice, group, media_id)
        told = await stream.event()

    assert told == {
        "__typename": "ChannelUpdated",
        "message": {"system": {"kind": "GROUP_CHANGED"}},
        "channel": {"avatar": changed["group"]["avatar"]},
    }


async def test_a_group_s_picture_is_not_for_those_who_left(
    alice: Person, bob: Person, media_id: str
) -> None:
    group = await make_group(alice, bob)
    await set_group_picture(alice, group, media_id)
    await bob.mutate("mutation ($id: ID!) { leaveGroup(groupId: $id) { __typename } }", id=group)

    assert not await sees(bob, media_id)
    refused = await send_media(bob, await bob.open_chat(bob), media_id)
    assert refused["code"] == "NOT_FOUND"
