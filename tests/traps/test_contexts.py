"""A context lasts for one operation, not for a socket: nothing in it goes stale."""

from tests.client import until
from tests.make import AnotherDevice, Person
from tests.serving import Server

VIEWER = "{ viewer { name } }"
CHANNEL = """query ($id: ID!) { channel(id: $id) { lastSeq unreadCount
    ... on Chat { peer { name } } } }"""
UPDATE = 'mutation { updateProfile(input: { name: "Alicia" }) { __typename } }'
NAMES = """subscription { inbox { __typename ... on MessageAdded {
    message { sender { name } channel { ... on Chat { peer { name } } } } } } }"""


async def test_the_second_query_of_a_socket_sees_what_changed_meanwhile(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    another_device: AnotherDevice,
) -> None:
    """By another client, at another node."""
    tablet = (await another_device(alice)).at(other_server)
    async with alice.socket() as own, bob.socket() as theirs:
        assert await own.query(VIEWER) == {"viewer": {"name": "Alice"}}
        seen = (await theirs.query(CHANNEL, id=chat))["channel"]
        assert seen == {"lastSeq": 0, "unreadCount": 0, "peer": {"name": "Alice"}}

        await tablet.mutate(UPDATE)
        await tablet.say(chat, "Hello")

        assert await own.query(VIEWER) == {"viewer": {"name": "Alicia"}}
        seen = (await theirs.query(CHANNEL, id=chat))["channel"]
        assert seen == {"lastSeq": 1, "unreadCount": 1, "peer": {"name": "Alicia"}}


async def test_so_does_the_second_event_of_a_subscription(
    alice: Person, bob: Person, chat: str
) -> None:
    async with bob.follow(NAMES) as stream:
        await until(stream, "InboxReady")
        await alice.say(chat, "one")
        first = (await until(stream, "MessageAdded"))[-1]["message"]
        assert first["channel"] == {"peer": {"name": "Alice"}}

        await alice.mutate(UPDATE)
        await alice.say(chat, "two")

        second = (await until(stream, "MessageAdded"))[-1]["message"]
        assert second["channel"] == {"peer": {"name": "Alicia"}}
