"""What tests of members share: asking for members to be added, leave and get roles."""

from tests.client import Json
from tests.groups import (
    ADD,
    LEAVE,
    SEEN,
    SET_ROLE,
)
from tests.make import Person

ADD_TO_GROUPS = """mutation ($audience: Audience!) {
    updatePrivacy(input: { addToGroups: $audience }) { __typename } }"""
NODE = "query ($id: ID!) { node(id: $id) { __typename } }"
AROUND = """query ($id: ID!) { channel(id: $id) { unreadCount lastMessage { seq }
    position { deliveredSeq readSeq }
    messages(first: 50, aroundSeq: 1) { nodes { seq } pageInfo { hasPreviousPage } } } }"""


async def add(person: Person, group_id: str, *members: Person | str) -> Json:
    user_ids = [who if isinstance(who, str) else who.id for who in members]
    added: Json = await person.mutate(ADD, groupId=group_id, userIds=user_ids)
    return added


async def set_role(person: Person, group_id: str, member: Person, role: str) -> Json:
    answer: Json = await person.mutate(SET_ROLE, groupId=group_id, userId=member.id, role=role)
    return answer


async def leave(person: Person, group_id: str) -> Json:
    left: Json = await person.mutate(LEAVE, groupId=group_id)
    return left


def refusal(answer: Json) -> tuple[str, str | None]:
    assert answer["__typename"] == "Refusal", answer
    return answer["code"], answer["field"]


async def last_seq(person: Person, group_id: str) -> int:
    seq: int = (await person.mutate(SEEN, id=group_id))["lastSeq"]
    return seq
