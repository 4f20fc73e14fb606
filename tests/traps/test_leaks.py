"""graphql-core's executors share a memo that is never freed, 3.6 KB an event; ours keep nothing of
an event.
"""

import gc
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from models import ids
from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.log.entries import Entry
from models.messages.messages import Message, MessageKind
from models.postgresql.database import Database
from models.users.users import User
from parley.engine.engine import Engine
from parley.engine.sharing import make_renderer
from parley.schema import PUBLIC_FIELDS, make_schema
from schema.context import Context, Resources
from subscriptions.live_entry import LiveEntry

SENDER = User(ids.new_id(), "Sender")
READER = User(ids.new_id(), "Reader")
CHANNEL = ids.new_id()

PLANNED = """subscription { inbox { __typename at ... on MessageAdded { seq message {
    id text sender { id name } replyTo { id sender { name } } } } } }"""
EXECUTED = (
    PLANNED.replace("{ id name }", "{ id name phoneNumber }")
    .replace("__typename", "__typename @include(if: $all)")
    .replace("subscription", "subscription ($all: Boolean!)")
)

# Objects that the collector knows of, for all events together; a leak has some ten for each.
SLACK = 2000


@dataclass
class NoDatabase:
    """Answers every look-up at once, with nothing."""

    asked: int = 0

    async def fetch(self, query: str, *args: object) -> list[Any]:
        self.asked += 1
        return []


def make_context(database: NoDatabase) -> Context:
    resources = cast(Resources, _Resources(cast(Database, database), Limits(), None))
    viewer = Viewer(user=READER, device_id=ids.new_id(), token_expires_at=datetime.now(UTC))
    return Context(resources=resources, viewer=viewer, client_address="192.0.2.1")


@dataclass
class _Resources:
    database: Database
    limits: Limits
    live: Any


def happened(seq: int) -> LiveEntry:
    now = datetime.now(UTC)
    original = Message(CHANNEL, 1, MessageKind.TEXT, SENDER.id, "c", "Tea?", None, now)
    original.sender, original.reply_to = SENDER, None
    said = Message(CHANNEL, seq, MessageKind.TEXT, SENDER.id, f"c{seq}", "Hello", 1, now)
    said.sender, said.reply_to = SENDER, original
    return LiveEntry(Entry(CHANNEL, seq, now, said), fresh=True)


def count_objects() -> int:
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize(
    ("document", "events", "asks"),
    [(PLANNED, 20_000, False), (EXECUTED, 5_000, True)],
    ids=["planned", "executed"],
)
async def test_nothing_of_an_event_is_kept(document: str, events: int, asks: bool) -> None:
    engine = Engine(make_schema(), limits=Limits(), public_fields=PUBLIC_FIELDS)
    operation = engine.prepare(document, None)
    variables = {"all": True} if asks else {}
    database = NoDatabase()

    give = make_renderer(engine, operation, variables, lambda: make_context(database))

    async def render(seq: int) -> str:
        text = give(happened(seq).for_inbox(READER.id, 1))
        return text if isinstance(text, str) else await text

    for seq in range(2, 502):
        text = await render(seq)
    before = count_objects()
    for seq in range(502, 502 + events):
        text = await render(seq)
    after = count_objects()

    assert '"text":"Hello"' in text
    assert (database.asked > events) is asks
    assert after - before < SLACK
