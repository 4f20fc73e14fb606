"""For every union and interface, one document with all fields of all its members is valid, within
the limits, and answered by the server.
"""

from typing import Any

import pytest
from graphql import GraphQLObjectType, build_schema, parse, validate

from parley.schema import print_schema
from tests.client import ApiClient, codes_of, until
from tests.contract.documents import Sample, list_abstract_types, sample_roots, select_all
from tests.make import REFUSAL, Person

SCHEMA = build_schema(print_schema())
ABSTRACT = {type_.name: type_ for type_ in list_abstract_types(SCHEMA)}
ROOTS = {
    sample.root: sample for type_ in ABSTRACT.values() for sample in sample_roots(SCHEMA, type_)
}
ASKED = {name: sample for name, sample in ROOTS.items() if "subscription" not in sample.document}
# Given by no root field by itself.
INNER = {"LogEvent": "InboxEvent"}


async def execute(client: ApiClient, sample: Sample, **variables: Any) -> Any:
    """Return what the root field gave, and never an error."""
    response = await client.post(sample.document, **(sample.variables | variables))
    answer = response.json()
    assert codes_of(answer.get("errors", [])) == [], sample.document
    return answer["data"][sample.root]


@pytest.mark.parametrize("name", ABSTRACT)
def test_the_document_is_valid(name: str) -> None:
    assert name in INNER or sample_roots(SCHEMA, ABSTRACT[name])

    for sample in sample_roots(SCHEMA, ABSTRACT[name]):
        assert validate(SCHEMA, parse(sample.document)) == []


@pytest.mark.parametrize("root", ASKED)
async def test_the_document_is_answered(alice: Person, root: str) -> None:
    """With inputs that name nothing: null, a Refusal, or what needs nothing to be there."""
    value = await execute(alice, ASKED[root])

    types = {type_.name for type_ in SCHEMA.type_map.values()}
    for each in value if isinstance(value, list) else [value]:
        assert each is None or each["__typename"] in types


async def test_every_kind_of_node_is_answered_whole(alice: Person, bob: Person, chat: str) -> None:
    message = await bob.say(chat, "Hello")
    created = await alice.mutate(
        f"""mutation ($input: CreateGroupInput!) {{ createGroup(input: $input) {{ __typename
            ... on GroupPayload {{ group {{ id }} }} {REFUSAL} }} }}""",
        input={"name": "Friends", "memberIds": [bob.id]},
    )
    nodes = {
        "User": bob.id,
        "Device": alice.device_id,
        "Chat": chat,
        "Group": created["group"]["id"],
        "Message": message["id"],
        "Member": f"mbr_{chat[4:]}_{bob.user.id}",
    }

    for typename, node_id in nodes.items():
        value = await execute(alice, ROOTS["node"], id=node_id)
        assert value["__typename"] == typename
        type_ = SCHEMA.type_map[typename]
        assert isinstance(type_, GraphQLObjectType)
        assert {key.removeprefix(f"{typename}_") for key in value} == {"__typename", *type_.fields}
    members = {type_.name for type_ in SCHEMA.get_possible_types(ABSTRACT["Node"])}
    assert members - nodes.keys() <= {"Media"}
    for typename in ("Chat", "Group"):
        value = await execute(alice, ROOTS["channel"], id=nodes[typename])
        assert value["__typename"] == typename


async def test_what_succeeds_is_answered_whole(alice: Person, bob: Person, chat: str) -> None:
    draft = alice.draft(chat, "Hello")

    opened = await execute(alice, ROOTS["openChat"], userId=bob.id)
    sent = await execute(alice, ROOTS["sendMessage"], input=draft)
    moved = await execute(
        bob, ROOTS["acknowledge"], input={"read": [{"channelId": chat, "seq": 1}]}
    )

    assert opened["__typename"] == "OpenChatPayload"
    assert sent["__typename"] == "SendMessagePayload"
    assert moved["__typename"] == "AcknowledgePayload"


async def test_every_event_of_the_inbox_can_be_asked_for_whole(
    alice: Person, bob: Person, chat: str
) -> None:
    """On a socket and as events; LogEvent inside of InboxEvent."""
    log_event = select_all(SCHEMA, ABSTRACT["LogEvent"])
    documents = [
        ROOTS["inbox"].document,
        f"subscription {{ inbox {{ __typename ... on LogEvent {log_event} }} }}",
    ]

    for document in documents:
        for method in (bob.follow, bob.listen):
            async with method(document) as stream:
                await until(stream, "InboxReady")
                said = await alice.say(chat, "Hello")
                event = (await until(stream, "MessageAdded"))[-1]
                assert event["seq"] == said["seq"]
                assert event["message"] == {"__typename": "Message"}
                await bob.acknowledge(chat, delivered=said["seq"])
