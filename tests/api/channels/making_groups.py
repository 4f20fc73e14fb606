"""What tests of groups share: asking for groups to be made and changed."""

from typing import Any

from models.postgresql.database import Database
from tests.client import Json
from tests.groups import (
    CREATE,
    UPDATE,
)
from tests.make import Person

ADD_TO_GROUPS = """mutation ($audience: Audience!) {
    updatePrivacy(input: { addToGroups: $audience }) { __typename } }"""
BLOCK = "mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }"


async def create(person: Person, *members: Person | str, **more: Any) -> Json:
    """Return the payload, or the Refusal."""
    member_ids = [who if isinstance(who, str) else who.id for who in members]
    asked = {"name": "Hikers", "memberIds": member_ids} | more
    made: Json = await person.mutate(CREATE, input=asked)
    return made


async def update(person: Person, group_id: str, **changes: Any) -> Json:
    changed: Json = await person.mutate(UPDATE, input={"groupId": group_id} | changes)
    return changed


def refusal(answer: Json) -> tuple[str, str | None]:
    assert answer["__typename"] == "Refusal", answer
    return answer["code"], answer["field"]


async def count(database: Database, table: str) -> int:
    found: int = await database.fetchval(f"SELECT count(*) FROM {table}")
    return found
