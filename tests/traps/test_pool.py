"""More requests than database connections wait for their turn; none is lost and none waits for
another.
"""

import asyncio

from tests.client import until
from tests.make import Person
from tests.serving import ServedWith

# Several loaders at once: an operation must not hold one connection while it waits for the next.
QUERY = """query ($id: ID!) { viewer { name phoneNumber } channel(id: $id) { lastSeq unreadCount
    lastMessage { text sender { name } } members { nodes { user { name } } }
    messages(last: 5) { nodes { text status deliveredAt } } } devices { name } }"""
# All of them wait at once, on a machine that may be busy. One that holds a connection while it
# waits for the next would wait for ever, and is refused after this long.
PATIENT_S = 30.0
INBOX = "subscription { inbox { __typename ... on MessageAdded { seq } } }"


async def test_60_requests_at_once_on_two_connections_are_all_answered(
    alice: Person, bob: Person, chat: str, served_with: ServedWith
) -> None:
    await alice.say(chat, "Hello")
    async with served_with(connections=2, connection_wait_s=PATIENT_S) as server:
        people = [person.at(server) for person in (alice, bob)]

        answers = await asyncio.gather(*(people[n % 2].query(QUERY, id=chat) for n in range(60)))

        assert {answer["channel"]["lastMessage"]["text"] for answer in answers} == {"Hello"}
        assert [answer["viewer"]["name"] for answer in answers] == ["Alice", "Bob"] * 30


async def test_sends_and_streams_beside_them_are_too(
    alice: Person, bob: Person, chat: str, served_with: ServedWith
) -> None:
    async with (
        served_with(connections=2, connection_wait_s=PATIENT_S) as server,
        bob.at(server).follow(INBOX) as stream,
    ):
        await until(stream, "InboxReady")
        sender = alice.at(server)

        await asyncio.gather(
            *(sender.say(chat, str(n)) for n in range(50)),
            *(sender.query(QUERY, id=chat) for _ in range(50)),
        )

        seqs = [(await until(stream, "MessageAdded"))[-1]["seq"] for _ in range(50)]
        assert seqs == list(range(1, 51))
