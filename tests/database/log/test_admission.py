"""Admission: a sender is looked at once, before any lock, and drafts keep their order meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest_asyncio

from models import ids
from models.log.admission import Admission, Look, LookReader, SenderStanding
from models.log.drafts import Draft, Sent
from models.log.group_commit.batch_writer import Busy
from models.log.group_commit.batching import GroupCommit
from models.log.send_writer import SendWriter
from models.messages.messages import MessageKind
from models.postgresql.database import Connection, connect
from models.refusals import RefusalCode, Refused
from models.users.users import User
from tests.groups import inner_id, make_group
from tests.make import Person


class CountingReader(LookReader):
    """Counts the statements, and what they were about."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        # How many of the next looks fail.
        self.failing = 0

    async def write(
        self, connection: Connection, items: Sequence[Look], *, wait: bool
    ) -> Sequence[SenderStanding | Refused | Busy]:
        self.batches.append(len(items))
        if self.failing:
            self.failing -= 1
            raise ValueError("a bug")
        return await super().write(connection, items, wait=wait)


class Counted:
    """An admission with lanes of its own, and what its looks cost."""

    def __init__(self, database_url: str) -> None:
        async def open_connection() -> "asyncpg.Connection[asyncpg.Record]":
            return await connect(database_url)

        self.reader = CountingReader()
        sends = GroupCommit[Draft, Sent](SendWriter(lambda batch: None), open_connection)
        looks = GroupCommit[Look, SenderStanding](
            self.reader, open_connection, waiting_connections=0
        )
        self.lanes = (sends, looks)
        self.admission = Admission(sends, looks)


@pytest_asyncio.fixture
async def counted(database_url: str) -> AsyncIterator[Counted]:
    made = Counted(database_url)
    for lane in made.lanes:
        lane.start()
    yield made
    for lane in made.lanes:
        await lane.close()


def draft(sender: Person | User, channel_id: str, name: str) -> Draft:
    user = sender.user if isinstance(sender, Person) else sender
    return Draft(inner_id(channel_id), user, name, MessageKind.TEXT, datetime.now(UTC), name)


async def test_a_sender_is_looked_at_once(counted: Counted, alice: Person, chat: str) -> None:
    for n in range(5):
        await counted.admission.submit(draft(alice, chat, f"{n}"))

    assert counted.reader.batches == [1]


async def test_strangers_who_ask_at_once_cost_few_statements(counted: Counted, chat: str) -> None:
    strangers = [User(ids.new_id(), "Stranger") for _ in range(100)]

    answers = await asyncio.gather(
        *(counted.admission.submit(draft(each, chat, "hi")) for each in strangers),
        return_exceptions=True,
    )

    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert [each.code for each in refused] == [RefusalCode.NOT_FOUND] * 100
    assert len(counted.reader.batches) <= 3


async def test_drafts_keep_their_order_while_their_sender_is_looked_at(
    counted: Counted, alice: Person, bob: Person, chat: str
) -> None:
    """Some come before the look, some during it, and some once the first has been let in."""
    # So that both lanes have their connections.
    await counted.admission.submit(draft(bob, chat, "first"))
    answers = [counted.admission.submit(draft(alice, chat, f"{n}")) for n in range(50)]
    while not answers[0].done():
        await asyncio.sleep(0)
        if len(answers) < 1000:
            answers.append(counted.admission.submit(draft(alice, chat, f"{len(answers)}")))

    sent = [await answer for answer in answers]

    assert [each.seq for each in sent] == list(range(2, len(answers) + 2))


async def test_a_look_that_fails_takes_one_draft_with_it_and_the_others_get_another(
    counted: Counted, alice: Person, chat: str
) -> None:
    counted.reader.failing = 2
    answers = [counted.admission.submit(draft(alice, chat, f"{n}")) for n in range(5)]

    sent = await asyncio.gather(*answers, return_exceptions=True)

    assert [type(each) for each in sent] == [ValueError] * 2 + [Sent] * 3
    assert [each.seq for each in sent if isinstance(each, Sent)] == [1, 2, 3]


async def test_who_is_forgotten_is_looked_at_again(
    counted: Counted, alice: Person, chat: str
) -> None:
    await counted.admission.submit(draft(alice, chat, "one"))
    counted.admission.forget(draft(alice, chat, "one"))
    await counted.admission.submit(draft(alice, chat, "two"))

    assert counted.reader.batches == [1, 1]


async def test_who_sent_longest_ago_is_forgotten_first(
    counted: Counted, alice: Person, chat: str
) -> None:
    """There is room for two."""
    few = Admission(*counted.lanes, remembered_pairs=2)
    notes, group = await alice.open_chat(alice), await make_group(alice)

    for n, channel_id in enumerate([notes, chat, notes, group, notes, chat]):
        await few.submit(draft(alice, channel_id, f"{n}"))

    # The notes, the chat, the group, and the chat again, which the group had put out.
    assert len(counted.reader.batches) == 4
