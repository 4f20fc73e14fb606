"""Who may ask what of whose ids; what may not be seen is, to the byte, as what does not exist.

The table is tests/authorization.py: every argument of a root field that takes an id or a token.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from graphql import (
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
)

from parley.schema import make_schema
from tests.authorization import (
    EXEMPT,
    FOLLOWED,
    ROLES,
    ROWS,
    Row,
    World,
    in_the_group,
    make_world,
    unknown,
)
from tests.client import ApiClient, Ended, Json, SocketStream, ending, until
from tests.groups import LEAVE
from tests.held import held
from tests.make import AnotherDevice, MakePerson, Person
from tests.serving import Server

OUTCOMES = {
    "f": "FORBIDDEN",
    "b": "BLOCKED",
    "i": "INVALID_INPUT",
    "m": "MEDIA_NOT_READY",
    "n": "nothing",
}
# Of the world's ids, those whose rows are held meanwhile.
HELD = {"group", "chat", "device", "user", "media", "picture of the group", "upload"}
INBOX = """subscription ($after: [PositionInput!]) { inbox(after: $after) { __typename
    ... on LogEvent { channelId seq } ... on ResyncRequired { channelId } } }"""

AROUND = (
    "query ($id: ID!, $around: %s) { channel(id: $id) { messages(%s: $around) { nodes { id } } } }"
)
AROUND_ID = AROUND % ("ID!", "aroundId")
AROUND_TIME = AROUND % ("DateTime!", "aroundTime")
AROUND_SEQ = AROUND % ("Int!", "aroundSeq")


def list_places() -> Iterator[str]:
    """The arguments and input fields of root fields that name something by an id or a token."""
    schema = make_schema()._schema
    for root in (schema.query_type, schema.mutation_type, schema.subscription_type):
        assert isinstance(root, GraphQLObjectType)
        for name, field in root.fields.items():
            yield from _places(name, field.args)


def _places(
    start: str, inputs: dict[str, GraphQLArgument] | dict[str, GraphQLInputField]
) -> Iterator[str]:
    for name, each in inputs.items():
        type_ = get_named_type(each.type)
        if isinstance(type_, GraphQLInputObjectType):
            yield from _places(f"{start}.{name}", type_.fields)
        elif type_.name == "ID" or name in ("token", "inviteToken"):
            yield f"{start}.{name}"


def test_every_place_of_an_id_has_a_row_or_a_reason() -> None:
    with_row = {row.place for row in (*ROWS, *FOLLOWED)}

    assert with_row | EXEMPT.keys() == set(list_places())
    assert not with_row & EXEMPT.keys()


def test_no_other_field_takes_an_id_but_those_of_pages() -> None:
    """Their test is `test_a_page_around_an_id_…`."""
    types = make_schema()._schema.type_map.values()
    roots = ("Query", "Mutation", "Subscription")
    places = [
        f"{name}.{argument}"
        for type_ in types
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and type_.name not in roots
        for name, field in type_.fields.items()
        for argument, each in field.args.items()
        if get_named_type(each.type).name == "ID"
    ]

    assert set(places) == {"messages.aroundId"}


@pytest.fixture
async def world(person: MakePerson, another_device: AnotherDevice) -> World:
    return await make_world(person, another_device)


def outcome(answer: Json) -> str:
    """Return what an answer that does not look like one of nothing says."""
    if "errors" in answer:
        return answer["errors"][0]["extensions"]["code"]  # type: ignore[no-any-return]
    (value,) = answer["data"].values()
    if isinstance(value, dict) and value.get("__typename") == "Refusal":
        return value["code"]  # type: ignore[no-any-return]
    return "y" if _is_something(value) else "nothing"


def _is_something(value: Any) -> bool:
    if isinstance(value, list):
        return all(each is not None for each in value)
    return value is not None and value.get("nodes") != [] and value.get("positions") != []


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_who_may(world: World, server: Server, row: Row) -> None:
    target = world.ids[row.target]

    async def post(client: ApiClient, id_: str, role: str) -> Any:
        variables = row.variables(id_, world.ids, role)
        return await client.post(row.document, **declared(row.document, variables))

    for id_ in (target, unknown(target)):
        response = await post(ApiClient(server), id_, "stranger")
        assert response.status_code == 401
        assert outcome(response.json()) == "UNAUTHENTICATED"
    for role, expected in zip(ROLES, row.outcomes, strict=True):
        client = world.people[role]
        nothing = await post(client, unknown(target), role)
        found = await post(client, target, role)
        if expected == "e":
            assert (role, found.content) == (role, nothing.content)
            assert found.status_code == nothing.status_code
            assert outcome(found.json()) != "y"
        else:
            told = outcome(found.json())
            assert (role, told) == (role, OUTCOMES.get(expected, expected)), found.text


async def test_who_may_not_is_answered_while_another_holds_the_rows(
    world: World, server: Server, database_url: str
) -> None:
    """Nobody waits for a row that they have no right to, nor can they hold it: the same answer to
    the byte, before the row is let go. Else the time tells that there is something.
    """
    async with held(database_url, [world.ids[name] for name in HELD]):
        for row in ROWS:
            for role, expected in zip(ROLES, row.outcomes, strict=True):
                if expected not in "ef" or may_lock(row, role):
                    continue
                nothing, found = await ask_both(world, row, role)
                if expected == "e":
                    assert (str(row), role, found) == (str(row), role, nothing)
                else:
                    assert (str(row), role, outcome(orjson.loads(found))) == (
                        str(row),
                        role,
                        "FORBIDDEN",
                    )


def may_lock(row: Row, role: str) -> bool:
    """Whether they may write to the channel, and are refused something else of it."""
    if row.place.startswith("sendMessage."):
        return in_the_group(role)
    return role == "admin" and row.place.startswith("removeMember.")


async def ask_both(world: World, row: Row, role: str) -> list[bytes]:
    """Return the answers about what does not exist, and about what the row is about."""
    target, answers = world.ids[row.target], []
    for id_ in (unknown(target), target):
        variables = declared(row.document, row.variables(id_, world.ids, role))
        answers.append((await world.people[role].post(row.document, **variables)).content)
    return answers


def declared(document: str, variables: Json) -> Json:
    """Those that the document uses."""
    return {name: value for name, value in variables.items() if f"${name}:" in document}


@pytest.mark.parametrize("row", FOLLOWED, ids=str)
async def test_who_may_follow(world: World, server: Server, row: Row) -> None:
    target = world.ids[row.target]

    for id_ in (target, unknown(target)):
        async with ApiClient(server).follow(row.document, id=id_) as stream:
            (error,) = await error_of(stream)
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
    for role, expected in zip(ROLES, row.outcomes, strict=True):
        client = world.people[role]
        if expected == "y":
            assert await follows(client, row, target)
            continue
        async with client.follow(row.document, id=target) as stream:
            found = await error_of(stream)
        async with client.follow(row.document, id=unknown(target)) as stream:
            nothing = await error_of(stream)
        assert (role, found) == (role, nothing)
        assert found[0]["extensions"]["code"] == "NOT_FOUND"


async def test_who_may_not_follow_is_told_while_another_holds_the_rows(
    world: World, server: Server, database_url: str
) -> None:
    async with held(database_url, [world.ids[name] for name in HELD]):
        for row in FOLLOWED:
            for role, expected in zip(ROLES, row.outcomes, strict=True):
                if expected != "y":
                    client, target = world.people[role], world.ids[row.target]
                    async with client.follow(row.document, id=target) as stream:
                        (error,) = await error_of(stream)
                    assert error["extensions"]["code"] == "NOT_FOUND"


async def follows(client: Person, row: Row, target: str) -> bool:
    """Whether the stream goes on: it completes only when they leave, if they can."""
    async with client.follow(row.document, id=target) as stream:
        with pytest.raises(TimeoutError):
            await stream.event(0.2)
        if row.target == "group":
            await client.mutate(LEAVE, groupId=target)
            return (await ending(stream)).complete
    return True


async def error_of(stream: SocketStream) -> list[Json]:
    with pytest.raises(Ended) as ended:
        await stream.event()
    return ended.value.ending.errors


async def test_a_position_of_another_s_channel_is_passed_over(world: World) -> None:
    for role in ("stranger", "blocked"):
        seen = []
        for id_ in (world.ids["group"], unknown(world.ids["group"])):
            after = [{"channelId": id_, "seq": 1}]
            async with world.people[role].follow(INBOX, after=after) as stream:
                seen.append(await until(stream, "InboxReady"))
        assert seen[0] == seen[1]


@pytest.mark.parametrize("role", ["stranger", "blocked", "ex", "owner"])
async def test_a_page_around_an_id_of_another_channel_tells_nothing_of_it(
    world: World, role: str
) -> None:
    """Whether the viewer may see it or not: it is not in this channel."""
    own, there = world.ids[f"notes of {role}"], world.ids["message"]

    answers = [
        (await world.people[role].post(AROUND_ID, id=own, around=around)).content
        for around in (there, unknown(there), unknown(world.ids["message of the chat"]))
    ]

    assert answers[0] == answers[1] == answers[2]
    assert orjson.loads(answers[0])["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("role", ["stranger", "blocked", "ex"])
async def test_a_page_of_another_s_channel_is_none_however_it_is_asked_for(
    world: World, role: str
) -> None:
    group = world.ids["group"]
    for document, around in (
        (AROUND_ID, world.ids["message"]),
        (AROUND_TIME, "2026-01-01T00:00:00Z"),
        (AROUND_SEQ, 1),
    ):
        found, nothing = [
            (await world.people[role].post(document, id=id_, around=around)).content
            for id_ in (group, unknown(group))
        ]
        assert (document, found) == (document, nothing)
        assert orjson.loads(found) == {"data": {"channel": None}}
