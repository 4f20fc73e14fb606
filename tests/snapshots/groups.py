"""Cases of chats and groups: opening, members, roles and invites."""

import itertools
from typing import Any

from tests.groups import (
    ADD,
    CREATE,
    INVITE_IN,
    JOIN,
    LEAVE,
    REMOVE,
    REVOKE,
    SET_ROLE,
    UPDATE,
    make_invite,
    promote,
    remove,
)
from tests.make import OPEN_CHAT
from tests.snapshots.world import Cases, World, picture_of

CASES = Cases()
case = CASES.case


@case("openChat", "nora")
async def _(w: World) -> Any:
    return await w.nora.mutate(OPEN_CHAT, userId=w.olga.id)


_client_ids = itertools.count(1)


@case("createGroup", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(
        CREATE,
        input={
            "name": "Another",
            "memberIds": [w.olga.id, w.eva.id],
            "clientGroupId": f"group-{next(_client_ids)}",
        },
    )


@case("updateGroup", note="its name")
async def _(w: World) -> Any:
    return await w.olga.mutate(UPDATE, input={"groupId": w.group, "name": "Climbers"})


@case("updateGroup", note="its description")
async def _(w: World) -> Any:
    return await w.olga.mutate(UPDATE, input={"groupId": w.group, "description": "We climb"})


@case("updateGroup", note="its picture")
async def _(w: World) -> Any:
    picture = await picture_of(w.olga)
    return await w.olga.mutate(UPDATE, input={"groupId": w.group, "avatarMediaId": picture})


@case("joinGroup", "nora")
async def _(w: World) -> Any:
    token = await make_invite(w.olga, w.group)
    return await w.nora.mutate(JOIN, input={"inviteToken": token})


@case("joinGroup", "eva", "again")
async def _(w: World) -> Any:
    token = await make_invite(w.olga, w.group)
    return await w.eva.mutate(JOIN, input={"inviteToken": token})


@case("leaveGroup", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(LEAVE, groupId=w.group)


@case("leaveGroup", note="the last owner")
async def _(w: World) -> Any:
    return await w.olga.mutate(LEAVE, groupId=w.group)


@case("addMembers")
async def _(w: World) -> Any:
    return await w.olga.mutate(ADD, groupId=w.group, userIds=[w.nora.id, w.eva.id])


@case("removeMember")
async def _(w: World) -> Any:
    return await w.olga.mutate(REMOVE, groupId=w.group, userId=w.max.id)


@case("removeMember", note="and in again", also=("sendMessage", "addMembers"))
async def _(w: World) -> Any:
    await remove(w.olga, w.group, w.max)
    await w.olga.say(w.group, "without Max")
    return await w.olga.mutate(ADD, groupId=w.group, userIds=[w.max.id])


@case("setMemberRole")
async def _(w: World) -> Any:
    return await w.olga.mutate(SET_ROLE, groupId=w.group, userId=w.lea.id, role="ADMIN")


async def _promote(w: World) -> None:
    await promote(w.olga, w.group, w.max, "OWNER")


@case("setMemberRole", "max", "of an owner", prepare=_promote)
async def _(w: World) -> Any:
    return await w.max.mutate(SET_ROLE, groupId=w.group, userId=w.olga.id, role="MEMBER")


@case("createGroupInvite")
async def _(w: World) -> Any:
    return await w.olga.mutate(INVITE_IN, input={"groupId": w.group})


@case("revokeGroupInvite")
async def _(w: World) -> Any:
    return await w.olga.mutate(REVOKE, token=await make_invite(w.olga, w.group))
