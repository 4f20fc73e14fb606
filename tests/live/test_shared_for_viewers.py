"""A field that is not marked as shared is never shared: each field of each event of a log and of
each signal that many get alike, by itself and beside all that are marked, for three viewers who
see different things, on one server; what each gets is what graphql-core gives it alone, of an entry
or a signal read for it alone.

A forgotten mark costs only speed and is not noticed here; a wrong one is.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pytest_asyncio
from graphql import (
    parse,
)
from graphql.execution import execute_subscription_event

from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.log.entries import Entry, hydrate_entries, list_entries_at
from models.log.events import (
    Occurrence,
    ReceiptUpdated,
    TypingUpdated,
)
from models.log.streams.named import InboxStart
from parley.engine.engine import Engine
from parley.engine.sharing import make_renderer
from parley.resources import Process, open_process
from parley.schema import PUBLIC_FIELDS, make_schema
from parley.settings import Settings
from schema.context import Context
from subscriptions.live_entry import LiveEntry
from tests.changes import DELETE, EDIT, REACT
from tests.client import Json, Socket, added, until
from tests.engine.reference import Reference, formatted, is_same
from tests.groups import ADD, SET_ROLE, UPDATE, inner_id, make_group, make_invite, promote
from tests.live.every_field import (
    ELSEWHERE,
    FACTS,
    LOG_EVENTS,
    NAMES,
    SCHEMA,
    fields_of,
    make_documents,
)
from tests.make import MakePerson, Person
from tests.uploading import PROFILE, make_media, send_media
from tests.waiting import eventually

ENGINE = Engine(make_schema(), limits=Limits(), public_fields=PUBLIC_FIELDS)
SIGNALS = (ReceiptUpdated, TypingUpdated)
BLOCK = "mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }"
TYPE = "mutation ($id: ID!) { setTyping(channelId: $id, typing: true) { __typename } }"
HIDE_READING = "mutation { updatePrivacy(input: {readReceipts: false}) { __typename } }"
# Operations of one socket.
AT_ONCE = 90
# Each event is rendered once for each document and viewer.
ANSWERED_WITHIN_S = 60


DOCUMENTS = make_documents(NAMES)
# What is further away is asked for by way of the events of a log.
SIGNAL_DOCUMENTS = make_documents([event.__name__ for event in SIGNALS], most_levels=2)


def test_the_documents_ask_for_every_field() -> None:
    text = "\n".join(DOCUMENTS)
    for name in ("status", "receipts", "viewerRole", "invites", "phoneNumber", "isBlocked"):
        assert f"{name} " in text, name
    assert text.count("replyTo {") > len(fields_of("Message"))
    assert not any(FACTS.shared.get(place) for place in ELSEWHERE)


@pytest_asyncio.fixture
async def alone(settings: Settings, alice: Person) -> AsyncIterator[Process]:
    """A process that serves nobody but the reference."""
    async with open_process(settings) as process:
        yield process


class Followed:
    """A viewer who follows every document on one server."""

    def __init__(
        self, person: Person, positions: list[Json], documents: Sequence[str] = DOCUMENTS
    ) -> None:
        self.person = person
        self._positions = positions
        self._documents = documents
        self._sockets: list[tuple[Socket, Sequence[str]]] = []

    async def open(self, stack: AsyncExitStack) -> None:
        for start in range(0, len(self._documents), AT_ONCE):
            socket = await stack.enter_async_context(self.person.socket())
            documents = self._documents[start : start + AT_ONCE]
            for place, document in enumerate(documents):
                await socket.subscribe(document, str(place), after=self._positions)
            self._sockets.append((socket, documents))
            await self._collect(socket, len(documents), "InboxReady")

    async def answers(self, seq: int | str) -> dict[str, Json]:
        """By document, what came for the entry (or the first signal of a kind)."""
        found: dict[str, Json] = {}
        for socket, documents in self._sockets:
            collected = await self._collect(socket, len(documents), seq)
            found |= {documents[int(place)]: answer for place, answer in collected.items()}
        return found

    async def _collect(self, socket: Socket, count: int, wanted: int | str) -> dict[str, Json]:
        found: dict[str, Json] = {}
        while len(found) < count:
            message = await socket.receive(ANSWERED_WITHIN_S)
            assert message["type"] == "next", message
            event = message["payload"]["data"]["inbox"]
            if wanted in (event.get("seq"), event["__typename"]):
                found[message["id"]] = message["payload"]
        return found


async def read_alone(process: Process, viewer: Viewer, channel_id: str, seq: int) -> Any:
    """Return the event of an entry, read from the log for one viewer."""
    feed: Any = await process.resources.live.follow_inbox(viewer, InboxStart({channel_id: seq - 1}))
    try:
        async for occurrence in feed.replay():
            if isinstance(occurrence.value, LOG_EVENTS) and occurrence.value.seq == seq:
                return occurrence.value
    finally:
        feed.end()
    raise AssertionError(f"no entry {seq}")


async def execute_alone(process: Process, viewer: Viewer, document: str, event: Any) -> Json:
    context = Context(resources=process.resources, viewer=viewer, client_address="")
    executor = Reference.build(SCHEMA, parse(document), None, context, {})
    assert isinstance(executor, Reference)
    result = execute_subscription_event(executor.build_per_event_executor(event))
    return formatted(await result if isinstance(result, Awaitable) else result)


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry as one viewer may see it."""

    person: Person
    viewer: Viewer
    joined_seq: int
    event: Any


def seen_live(entry: Entry) -> Callable[[Seen], Occurrence]:
    live = LiveEntry(entry, fresh=True)
    return lambda reader: live.for_inbox(reader.person.user.id, reader.joined_seq)


async def render_in_turn(
    process: Process,
    occurrence_for: Callable[[Seen], Occurrence],
    document: str,
    readers: list[Seen],
) -> list[Json]:
    """Return what each reader gets after the one before it: what may be shared is."""
    operation = ENGINE.prepare(document, None)
    answers = []
    for reader in readers:
        make_context = partial(
            Context, resources=process.resources, viewer=reader.viewer, client_address=""
        )
        render = make_renderer(ENGINE, operation, {}, make_context)
        text = render(occurrence_for(reader))
        answers.append(orjson.loads(text if isinstance(text, str) else await text))
    return answers


async def test_each_viewer_gets_what_it_would_get_alone(
    alice: Person, bob: Person, person: MakePerson, alone: Process
) -> None:
    """Alice owns the group; Bob is an admin, knows her number and has blocked Lea, who joined
    late. Each is asked about what each of them did.
    """
    lea = await person("Lea")
    group = await make_group(alice, bob)
    await promote(alice, group, bob)
    await make_invite(alice, group)
    old = await alice.say(group, "old")
    old_of_bob = await bob.say(group, "old of bob", replyToId=old["id"])
    added = await alice.mutate(ADD, groupId=group, userIds=[lea.id])
    joined_seq = added["group"]["lastSeq"]
    new = await alice.say(group, "new", replyToId=old_of_bob["id"])
    new_of_bob = await bob.say(group, "new of bob", replyToId=new["id"])
    await bob.acknowledge(group, read=99)
    await bob.query(
        "query ($n: [PhoneNumber!]!) { usersByPhone(phoneNumbers: $n) { id } }", n=[alice.number]
    )
    await bob.mutate(BLOCK, id=lea.id)
    pictures = [await make_media(alone.resources.database, alice) for _ in range(2)]
    await alice.mutate(PROFILE, input={"avatarMediaId": pictures[0]})
    last = new_of_bob["seq"]
    channel_id = inner_id(group)
    place = {"latitude": 1.5, "longitude": 2.5, "label": "Here"}
    changes: list[Callable[[], Awaitable[Any]]] = [
        lambda: alice.say(
            group, "a place", location=place, replyToId=new_of_bob["id"], mentions=[bob.id]
        ),
        lambda: bob.say(group, "a reply to what Lea may not see", replyToId=old["id"]),
        lambda: lea.say(group, "of Lea", replyToId=new["id"]),
        lambda: send_media(alice, group, *pictures, replyToId=new_of_bob["id"]),
        lambda: bob.say(group, "a reply to pictures", replyToId=f"msg_{channel_id}_{last + 4}"),
        lambda: alice.mutate(EDIT, id=new["id"], text="edited"),
        lambda: bob.mutate(EDIT, id=old_of_bob["id"], text="edited"),
        lambda: bob.mutate(REACT, id=new_of_bob["id"], emoji="👍"),
        lambda: bob.mutate(DELETE, id=new_of_bob["id"]),
        lambda: alice.mutate(
            UPDATE, input={"groupId": group, "name": "Climbers", "avatarMediaId": pictures[1]}
        ),
        lambda: alice.mutate(SET_ROLE, groupId=group, userId=lea.id, role="ADMIN"),
    ]
    followers = [Followed(each, [{"channelId": group, "seq": last}]) for each in (alice, bob, lea)]
    kinds: set[str] = set()

    async with AsyncExitStack() as stack:
        for followed in followers:
            await followed.open(stack)
        for seq, change in enumerate(changes, last + 1):
            assert (await change()).get("code") is None
            database = alone.resources.database
            (entry,) = await list_entries_at(database, [(channel_id, seq)])
            await hydrate_entries(database, [entry])
            readers = []
            for each in (alice, bob, lea):
                viewer = Viewer(each.user, each.inner_device_id, datetime.now(UTC))
                event = await read_alone(alone, viewer, channel_id, seq)
                readers.append(Seen(each, viewer, joined_seq if each is lea else 1, event))
                kinds.add(type(event).__name__)
            arrived = [await followed.answers(seq) for followed in followers]
            for document in DOCUMENTS:
                expected = [
                    await execute_alone(alone, reader.viewer, document, reader.event)
                    for reader in readers
                ]
                in_turn = await render_in_turn(alone, seen_live(entry), document, readers)
                back = await render_in_turn(alone, seen_live(entry), document, readers[::-1])
                found = ([answers[document] for answers in arrived], in_turn, back[::-1])
                for given in found:
                    for answer, right in zip(given, expected, strict=True):
                        assert is_same(answer, right), (seq, document)

    assert kinds == set(NAMES)


async def follow_alone(process: Process, person: Person) -> tuple[Viewer, list[Any]]:
    """Return a viewer who follows nothing else there, and the signals that come for them."""
    viewer = Viewer(person.user, person.inner_device_id, datetime.now(UTC) + timedelta(hours=1))
    feed: Any = await process.resources.live.follow_inbox(viewer, InboxStart())
    async for _ in feed.replay():
        continue
    signals: list[Any] = []
    feed.attach(lambda o: signals.append(o.value) if isinstance(o.value, SIGNALS) else None)
    return viewer, signals


async def test_each_author_and_member_gets_of_signals_what_it_would_get_alone(
    alice: Person, bob: Person, carol: Person, person: MakePerson, alone: Process
) -> None:
    """Carol types and reads what the three others said, of whom one hides reading and one has
    blocked her.
    """
    lea = await person("Lea")
    group = await make_group(alice, bob, lea, carol)
    readers = (alice, bob, lea)
    last = [(await each.say(group, "Hello"))["seq"] for each in readers][-1]
    await bob.mutate(HIDE_READING)
    await lea.mutate(BLOCK, id=carol.id)
    followers = [
        Followed(each, [{"channelId": group, "seq": last}], SIGNAL_DOCUMENTS) for each in readers
    ]
    apart = [await follow_alone(alone, each) for each in readers]

    async with AsyncExitStack() as stack:
        for followed in followers:
            await followed.open(stack)
        # One after the other: where rendering reads, streams of one socket overtake one another.
        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "TypingUpdated": lambda: carol.mutate(TYPE, id=group),
            "ReceiptUpdated": lambda: carol.acknowledge(group, read=last),
        }
        for name, act in acts.items():
            await act()
            arrived = [await followed.answers(name) for followed in followers]
            events = [await eventually(partial(first_of, name, signals)) for _, signals in apart]
            seen = [
                Seen(each, viewer, 1, event)
                for each, (viewer, _), event in zip(readers, apart, events, strict=True)
            ]
            alike = Occurrence(events[0], {})
            for document in SIGNAL_DOCUMENTS:
                right = [await execute_alone(alone, s.viewer, document, s.event) for s in seen]
                in_turn = await render_in_turn(alone, partial(same, alike), document, seen)
                for given in ([answers[document] for answers in arrived], in_turn):
                    assert all(map(is_same, given, right)), document


def same(occurrence: Occurrence, _: Seen) -> Occurrence:
    return occurrence


def first_of(name: str, events: list[Any]) -> Any:
    return next((event for event in events if type(event).__name__ == name), None)


async def test_the_status_of_what_is_replied_to_is_its_senders(
    alice: Person, bob: Person, chat: str
) -> None:
    """Live and replayed, as it is when it is fetched."""
    document = """subscription ($after: [PositionInput!]) { inbox(after: $after) { __typename
        ... on MessageAdded { message { status replyTo { status deliveredCount } } } } }"""
    said = await bob.say(chat, "Which?")
    after = [{"channelId": chat, "seq": said["seq"]}]
    statuses = {"Alice": ("SENT", None, None), "Bob": (None, "SENT", 0)}

    async with alice.follow(document, after=after) as one, bob.follow(document, after=after) as two:
        streams = [(alice, one), (bob, two)]
        for _, stream in streams:
            await until(stream, "InboxReady")
        await alice.say(chat, "This", replyToId=said["id"])
        live = [(person, await added(stream)) for person, stream in streams]
    async with alice.follow(document, after=after) as one, bob.follow(document, after=after) as two:
        replayed = [(alice, await added(one)), (bob, await added(two))]

    for person, event in (*live, *replayed):
        message, original = event["message"], event["message"]["replyTo"]
        found = (message["status"], original["status"], original["deliveredCount"])
        assert found == statuses[person.user.name]
