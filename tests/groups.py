"""Groups in tests: the documents, and short ways to make and change them."""

from typing import Any

from models import ids
from tests.client import Json
from tests.make import REFUSAL, Person

GROUP = "id name description memberCount seatsLeft viewerRole lastSeq"
INVITE = "token groupId createdAt createdBy { id } expiresAt usesLeft"
UNKNOWN = "chn_" + "0" * 32
NOBODY = "usr_" + "0" * 32


def _mutation(name: str, arguments: str, *, answer: str = f"group {{ {GROUP} }}") -> str:
    payload = {
        "leaveGroup": "LeaveGroupPayload",
        "createGroupInvite": "CreateGroupInvitePayload",
    }.get(name, "GroupPayload")
    names = [each.partition(":")[0] for each in arguments.split(", ")]
    passed = ", ".join(f"{each}: ${each}" for each in names)
    declared = ", ".join(f"${each}" for each in arguments.split(", "))
    return f"""mutation ({declared}) {{ {name}({passed}) {{ __typename
    ... on {payload} {{ {answer} }} {REFUSAL} }} }}"""


CREATE = _mutation("createGroup", "input: CreateGroupInput!")
UPDATE = _mutation("updateGroup", "input: UpdateGroupInput!")
JOIN = _mutation("joinGroup", "input: JoinGroupInput!")
LEAVE = _mutation("leaveGroup", "groupId: ID!", answer="groupId")
ADD = _mutation("addMembers", "groupId: ID!, userIds: [ID!]!")
REMOVE = _mutation("removeMember", "groupId: ID!, userId: ID!")
SET_ROLE = _mutation("setMemberRole", "groupId: ID!, userId: ID!, role: MemberRole!")
INVITE_IN = _mutation(
    "createGroupInvite", "input: CreateGroupInviteInput!", answer=f"invite {{ {INVITE} }}"
)
REVOKE = _mutation("revokeGroupInvite", "token: String!")
PREVIEW = "query ($token: String!) { groupInvite(token: $token) { name memberCount seatsLeft } }"
SEEN = f"""query ($id: ID!) {{ channel(id: $id) {{ ... on Group {{ {GROUP}
    invites {{ {INVITE} }} }} }} }}"""
NOTICE = "system { kind actor { id } subjects { id } value }"
LOG = f"query ($id: ID!) {{ channel(id: $id) {{ messages {{ nodes {{ seq text {NOTICE} }} }} }} }}"
MEMBERS = """query ($id: ID!) { channel(id: $id) { members(first: 100) { nodes {
    user { id } role joinedSeq position { deliveredSeq readSeq } } } } }"""


async def make_group(owner: Person, *members: Person, **more: Any) -> str:
    """Return the id of a new group."""
    asked = {"name": "Hikers", "memberIds": [member.id for member in members]} | more
    made = await owner.mutate(CREATE, input=asked)
    assert made["__typename"] == "GroupPayload", made
    group_id: str = made["group"]["id"]
    return group_id


async def make_invite(admin: Person, group_id: str, **more: Any) -> str:
    """Return the token of a new invite."""
    made = await admin.mutate(INVITE_IN, input={"groupId": group_id} | more)
    assert made["__typename"] == "CreateGroupInvitePayload", made
    token: str = made["invite"]["token"]
    return token


async def join(person: Person, token: str) -> Json:
    joined: Json = await person.mutate(JOIN, input={"inviteToken": token})
    return joined


async def promote(owner: Person, group_id: str, member: Person, role: str = "ADMIN") -> None:
    set_to = await owner.mutate(SET_ROLE, groupId=group_id, userId=member.id, role=role)
    assert set_to["__typename"] == "GroupPayload", set_to


async def remove(admin: Person, group_id: str, member: Person) -> None:
    removed = await admin.mutate(REMOVE, groupId=group_id, userId=member.id)
    assert removed["__typename"] == "GroupPayload", removed


async def notices(person: Person, group_id: str) -> list[tuple[Any, ...]]:
    """Return what the log says happened, as far as the person may read it: (seq, kind, actor's id,
    subjects' ids, value).
    """
    found = await person.mutate(LOG, id=group_id)
    return [
        (
            node["seq"],
            node["system"]["kind"],
            node["system"]["actor"]["id"],
            [subject["id"] for subject in node["system"]["subjects"]],
            node["system"]["value"],
        )
        for node in found["messages"]["nodes"]
        if node["system"] is not None
    ]


async def roles(person: Person, group_id: str) -> dict[str, str]:
    """Return the members' roles by user id."""
    found = await person.mutate(MEMBERS, id=group_id)
    return {node["user"]["id"]: node["role"] for node in found["members"]["nodes"]}


def inner_id(group_id: str) -> str:
    parsed = ids.parse_plain("chn", group_id)
    assert parsed is not None
    return parsed
