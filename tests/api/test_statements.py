"""What a page costs: a fixed number of SQL statements, however much is on it."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import pytest
import pytest_asyncio

from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database, prepare_connection
from models.postgresql.lending import Lender
from models.users.profiles import Profiles
from parley.engine.engine import Engine
from parley.resources import open_process
from parley.schema import PUBLIC_FIELDS, make_schema
from parley.settings import Settings
from schema.context import Context, Resources
from tests.changes import REACT
from tests.client import Json
from tests.groups import make_group
from tests.make import SEND, Person
from tests.uploading import PROFILE, make_media, sent_media

# The channel, its messages, their senders, what they reply to, the senders of that, and the fates
# of the viewer's own.
STATEMENTS_OF_A_PAGE = 6
# The viewer's list, its order, the channels, their last messages, the unread counts, the chats'
# people, the senders, and the fates of the viewer's own last messages.
STATEMENTS_OF_A_LIST = 8

PAGE = """query ($id: ID!, $last: Int!) { channel(id: $id) { messages(last: $last) { nodes {
    id seq kind text sentAt sender { id name } reactions { emoji count userIds }
    replyToId replyTo { id text sender { name } } status deliveredAt seenAt deliveredCount readCount
    } } } }"""
LIST = """query ($first: Int!) { channels(first: $first) { nodes {
    id kind title picture { id thumbnail { url } } memberCount
    lastSeq unreadCount mutedUntil position { deliveredSeq readSeq }
    lastMessage { id seq text sentAt sender { id name } status }
    ... on Chat { peer { id name } } ... on Group { name memberCount viewerRole } } } }"""


class Statements:
    """Runs queries on a pool of one connection, which tells of each statement."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.texts: list[str] = []
        self._engine = Engine(make_schema(), limits=Limits(), public_fields=PUBLIC_FIELDS)

    def keep_profiles(self) -> None:
        """Keep profiles from now on, as if there were always news of what has changed."""
        profiles = Profiles(self.resources.database)
        profiles._asked_at = math.inf
        self.resources.database.profiles = profiles

    def note(self, statement: Any) -> None:
        self.texts.append(statement.query)

    async def count(
        self, person: Person, document: str, *, times: int = 2, **variables: Any
    ) -> tuple[int, Json]:
        """Return how many it took, the last of so many times; and the answer's data."""
        viewer = Viewer(person.user, person.inner_device_id, datetime.now(UTC))
        operation = self._engine.prepare(document, None)
        # Once before, for what the connection asks about types.
        for _ in range(times):
            self.texts.clear()
            context = Context(resources=self.resources, viewer=viewer, client_address="")
            answer = await self._engine.execute(operation, variables, context)
            assert not answer.failed, answer.body
        data: Json = orjson.loads(answer.body)["data"]
        return len(self.texts), data


@pytest_asyncio.fixture
async def statements(settings: Settings, alice: Person) -> AsyncIterator[Statements]:
    async def prepare(connection: Connection) -> None:
        await prepare_connection(connection)
        connection.add_query_logger(lambda statement: counting.note(statement))

    async def keep(_: Connection) -> None:
        return None

    assert settings.database_url is not None
    async with (
        open_process(settings) as process,
        asyncpg.create_pool(
            settings.database_url, min_size=1, max_size=1, init=prepare, reset=keep
        ) as pool,
    ):
        resources = process.resources
        counted = {name: getattr(resources, name) for name in Resources.__dataclass_fields__}
        counting = Statements(
            Resources(**counted | {"database": Database(Lender(pool), settings.database_url)})
        )
        yield counting


async def test_files_on_a_page_take_one_more_and_pictures_of_people_none(
    database: Database, alice: Person, bob: Person, chat: str, statements: Statements
) -> None:
    page = PAGE.replace("sender { id name }", "sender { id name avatar { id } } media { id state }")
    await bob.mutate(PROFILE, input={"avatarMediaId": await make_media(database, bob)})
    await alice.say(chat, "first", replyToId=(await bob.say(chat, "none"))["id"])
    without, _ = await statements.count(alice, page, id=chat, last=50)
    for _ in range(5):
        await sent_media(bob, chat, *[await make_media(database, bob) for _ in range(3)])

    with_files, data = await statements.count(alice, page, id=chat, last=50)

    nodes = data["channel"]["messages"]["nodes"]
    assert [len(node["media"]) for node in nodes] == [0, 0, 3, 3, 3, 3, 3]
    assert nodes[0]["sender"]["avatar"] is not None
    assert with_files == without + 1 <= STATEMENTS_OF_A_PAGE + 1


@pytest.mark.parametrize("kind", ["group", "chat"])
async def test_a_page_of_messages(
    alice: Person, bob: Person, carol: Person, statements: Statements, kind: str
) -> None:
    """Each third is Alice's own; each replies to one of another sender, and has reactions."""
    in_group = kind == "group"
    channel = await (make_group(alice, bob, carol) if in_group else alice.open_chat(bob))
    people = [alice, bob, carol] if in_group else [alice, bob]
    said = [await alice.say(channel, "first"), await bob.say(channel, "second")]
    for n in range(48):
        sender = people[n % len(people)]
        said.append(await sender.say(channel, str(n), replyToId=said[-2]["id"]))
    said.append(await alice.say(channel, "last", replyToId=said[-2]["id"]))
    for message in said:
        await bob.mutate(REACT, id=message["id"], emoji="👍")
    await bob.acknowledge(channel, read=999)

    one, _ = await statements.count(alice, PAGE, id=channel, last=1)
    texts = list(statements.texts)
    fifty, data = await statements.count(alice, PAGE, id=channel, last=50)

    nodes = data["channel"]["messages"]["nodes"]
    assert len(nodes) == 50
    assert all(node["reactions"] and node["replyTo"] for node in nodes[1:])
    assert any(node["deliveredCount"] for node in nodes)
    expected = STATEMENTS_OF_A_PAGE
    assert (one, fifty) == (expected, expected), "\n".join([*texts, "", *statements.texts])


async def test_people_who_were_read_lately_take_none(
    alice: Person, bob: Person, carol: Person, statements: Statements
) -> None:
    """Neither as senders, nor as those who are replied to, nor as the other one of a chat."""
    group = await make_group(alice, bob, carol)
    said = [await bob.say(group, "first"), await carol.say(group, "second")]
    await bob.say(group, "third", replyToId=said[1]["id"])
    await bob.say(await bob.open_chat(alice), "Hello")
    page, _ = await statements.count(alice, PAGE, id=group, last=50)
    channels, _ = await statements.count(alice, LIST, first=50)

    statements.keep_profiles()
    page_then, data = await statements.count(alice, PAGE, id=group, last=50)
    channels_then, _ = await statements.count(alice, LIST, first=50)

    nodes = data["channel"]["messages"]["nodes"][-3:]
    assert [node["sender"]["name"] for node in nodes] == ["Bob", "Carol", "Bob"]
    assert (page - page_then, channels - channels_then) == (2, 1), statements.texts
    assert not any("FROM users" in text for text in statements.texts)


async def test_a_list_of_channels(alice: Person, bob: Person, statements: Statements) -> None:
    for n in range(49):
        group = await make_group(alice, bob, name=f"Group {n}")
        await (bob if n % 2 else alice).say(group, "Hello")
    await bob.say(await bob.open_chat(alice), "Hello")

    two, _ = await statements.count(alice, LIST, first=2)
    texts = list(statements.texts)
    fifty, data = await statements.count(alice, LIST, first=50)

    nodes = data["channels"]["nodes"]
    assert len(nodes) == 50
    assert [(node["kind"], node["title"], node["memberCount"]) for node in nodes[:2]] == [
        ("CHAT", "Bob", 2),
        ("GROUP", "Group 48", 2),
    ]
    assert {node["unreadCount"] for node in nodes} == {0, 1}
    assert {node["lastMessage"]["status"] for node in nodes} == {"SENT", None}
    expected = STATEMENTS_OF_A_LIST
    assert (two, fifty) == (expected, expected), "\n".join([*texts, "", *statements.texts])


LISTS_IN_LISTS = """query ($first: Int!) { channels(first: $first) { nodes {
    members(first: 10) { nodes { role user { id name } position { readSeq } } }
    messages(last: 3) { nodes { seq text sender { id name } } pageInfo { hasPreviousPage } }
    } } }"""
EVERY_KIND = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


@pytest_asyncio.fixture
async def groups(alice: Person, bob: Person, carol: Person) -> list[str]:
    """100 groups of three people with five messages each."""
    found = []
    for n in range(100):
        group = await make_group(alice, bob, carol, name=f"Group {n}")
        for said in range(4):
            await alice.say(group, f"{said}")
        found.append(group)
    return found


async def test_lists_in_a_list_take_as_many_for_one_row_as_for_a_hundred(
    alice: Person, groups: list[str], statements: Statements
) -> None:
    counts = {}
    for rows in (1, 10, 100):
        counts[rows], data = await statements.count(alice, LISTS_IN_LISTS, first=rows)
        nodes = data["channels"]["nodes"]
        assert len(nodes) == rows
        for node in nodes:
            assert len(node["members"]["nodes"]) == 3
            assert [each["text"] for each in node["messages"]["nodes"]] == ["1", "2", "3"]
            assert node["messages"]["pageInfo"]["hasPreviousPage"] is True

    assert counts[1] == counts[10] == counts[100], "\n".join(statements.texts)


async def test_objects_by_their_ids_take_as_many_for_each_kind_as_for_a_hundred(
    alice: Person,
    bob: Person,
    database: Database,
    groups: list[str],
    statements: Statements,
) -> None:
    details = (
        "query ($id: ID!) { channel(id: $id) { lastMessage { id } members { nodes { id } } } }"
    )
    some = [(await alice.mutate(details, id=group)) for group in groups]
    media = [await make_media(database, alice) for _ in range(20)]
    of_kinds = {
        "groups": groups,
        "messages": [each["lastMessage"]["id"] for each in some],
        "members": [each["members"]["nodes"][0]["id"] for each in some],
        "media": media,
        "users": [alice.id, bob.id],
        "devices": [alice.device_id],
    }
    one_of_each = [each[0] for each in of_kinds.values()]
    many = [each for kind in of_kinds.values() for each in kind[:20]]

    few_taken, few = await statements.count(alice, EVERY_KIND, ids=one_of_each)
    many_taken, found = await statements.count(alice, EVERY_KIND, ids=many)

    assert [node["id"] for node in few["nodes"]] == one_of_each
    assert [node["id"] for node in found["nodes"]] == many
    assert few_taken == many_taken, "\n".join(statements.texts)


async def test_a_send_takes_none_but_the_committer_s(
    alice: Person, chat: str, statements: Statements
) -> None:
    """The first one has the sender looked at, by the committer too (storage/test_admission.py)."""
    for _ in range(2):
        draft = alice.draft(chat, "Hello")
        taken, data = await statements.count(alice, SEND, times=1, input=draft)

        assert data["sendMessage"]["replayed"] is False
        assert taken == 0, statements.texts
