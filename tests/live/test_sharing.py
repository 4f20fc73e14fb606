"""Shared rendering: once for each operation and class of recipient; what depends on the viewer is
never shared.
"""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from models import ids
from models.limits.limits import Limits
from models.log.entries import Entry
from models.messages.messages import Message, MessageKind
from models.users.users import User
from parley.engine.engine import Engine
from parley.engine.sharing import make_renderer
from parley.schema import PUBLIC_FIELDS, make_schema
from subscriptions.live_entry import LiveEntry
from tests.client import Json, added, until
from tests.make import Person
from tests.serving import Server

CHANNEL = ids.new_id()
SENDER = User(ids.new_id(), "Sender")
READERS = [ids.new_id() for _ in range(20)]
FIELDS = "id seq text sender { id name } replyTo { id text } status deliveredCount sentAt"
INBOX = f"subscription {{ inbox {{ ... on MessageAdded {{ seq message {{ {FIELDS} }} }} }} }}"
ADDED = f"""subscription ($id: ID!, $after: Int) {{
    messageAdded(channelId: $id, afterSeq: $after) {{ {FIELDS} }} }}"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(make_schema(), limits=Limits(), public_fields=PUBLIC_FIELDS)


def message(seq: int, reply_to: Message | None = None) -> Message:
    return Message(
        CHANNEL,
        seq,
        MessageKind.TEXT,
        SENDER.id,
        f"c{seq}",
        f"text {seq}",
        reply_to.seq if reply_to else None,
        datetime.now(UTC),
        sender=SENDER,
        reply_to=reply_to,
    )


@pytest.fixture
def entry() -> LiveEntry:
    """Entry 5, a reply to entry 2."""
    said = message(5, message(2))
    return LiveEntry(Entry(CHANNEL, 5, said.sent_at, said), fresh=True)


def no_context() -> Any:
    return None


def rendered(
    engine: Engine,
    entry: LiveEntry,
    document: str,
    user_id: str,
    joined_seq: int = 1,
    **variables: Any,
) -> Any:
    """Return what one recipient gets. Nothing of a viewer is asked for."""
    operation = engine.prepare(document, None)
    given = entry.for_inbox if "inbox" in operation.root_fields else entry.for_messages
    render = make_renderer(engine, operation, variables, no_context)
    return render(given(user_id, joined_seq))


@pytest.mark.parametrize("document", [INBOX, ADDED], ids=["inbox", "messageAdded"])
def test_a_class_of_recipients_shares_one_text(
    engine: Engine, entry: LiveEntry, document: str
) -> None:
    variables: dict[str, Any] = {"id": "x"} if document is ADDED else {}

    texts = [rendered(engine, entry, document, reader, **variables) for reader in READERS]
    own = [rendered(engine, entry, document, SENDER.id, **variables) for _ in range(3)]

    assert all(text is texts[0] for text in texts)
    assert all(text is own[0] for text in own)
    assert own[0] != texts[0]
    given = entry.for_inbox if document is INBOX else entry.for_messages
    for user_id in (READERS[0], SENDER.id):
        assert len(given(user_id, 1).renderings or {}) == 1


def test_each_class_gets_what_it_may_see(engine: Engine, entry: LiveEntry) -> None:
    def seen(user_id: str, joined_seq: int) -> Any:
        text = rendered(engine, entry, INBOX, user_id, joined_seq)
        return orjson.loads(text)["data"]["inbox"]["message"]

    reply = {"id": f"msg_{CHANNEL}_2", "text": "text 2"}
    own, others = seen(SENDER.id, 1), seen(READERS[0], 1)
    hidden, own_hidden = seen(READERS[1], 3), seen(SENDER.id, 3)

    assert (own["status"], own["deliveredCount"], own["replyTo"]) == ("SENT", 0, reply)
    assert (others["status"], others["deliveredCount"], others["replyTo"]) == (None, None, reply)
    assert (hidden["status"], hidden["replyTo"]) == (None, None)
    assert (own_hidden["status"], own_hidden["replyTo"]) == ("SENT", None)


def test_another_selection_is_another_text(engine: Engine, entry: LiveEntry) -> None:
    documents = [
        "subscription { inbox { ... on MessageAdded { seq } } }",
        "subscription { inbox { ... on MessageAdded { place: seq } } }",
        "subscription { inbox { ... on MessageAdded { seq channelId } } }",
        "subscription ($x: Boolean! = true) { inbox { ... on MessageAdded { seq"
        " message @include(if: $x) { text } } } }",
    ]

    texts = [rendered(engine, entry, document, READERS[0]) for document in documents]
    without = rendered(engine, entry, documents[3], READERS[0], x=False)

    assert len(set(texts)) == 4
    assert without == texts[0]
    assert len(entry.for_inbox(READERS[0], 1).renderings or {}) == 5


def test_positions_and_other_arguments_of_the_root_make_no_difference(
    engine: Engine, entry: LiveEntry
) -> None:
    one = rendered(engine, entry, ADDED, READERS[0], id="chn_1", after=1)
    other = rendered(engine, entry, ADDED, READERS[1], id="chn_2", after=4)

    assert other is one


@pytest.mark.parametrize(
    "selection",
    [
        "message { channel { id } }",
        "message { sender { phoneNumber } }",
        "message { replyTo { status } }",
        "message { replyTo { channel { id } } }",
        "message { replyTo { replyTo { id } } }",
    ],
)
def test_what_depends_on_the_viewer_is_not_shared(
    engine: Engine, entry: LiveEntry, selection: str
) -> None:
    selected = f"... on MessageAdded {{ seq {selection} }}"
    documents = [
        f"subscription {{ inbox {{ {selected} }} }}",
        f"subscription {{ inbox {{ ...F }} }} fragment F on LogEvent {{ {selected} }}",
        f"subscription {{ inbox {{ ... on MessageAdded {{ text: seq }} {selected} }} }}",
    ]
    event = entry.for_inbox(READERS[0], 1).value

    for document in documents:
        assert engine.prepare(document, None).shares(event) is False


def test_what_is_selected_of_other_events_makes_no_difference(
    engine: Engine, entry: LiveEntry
) -> None:
    """What every client selects besides is the viewer's own, and comes to nobody else."""
    document = INBOX.replace(
        "... on MessageAdded",
        "__typename at ... on InboxReady { replayed } ... on ResyncRequired { channelId seq } "
        "... on SessionExpiring { expiresAt } ... on MessageAdded",
    )

    texts = [rendered(engine, entry, document, reader) for reader in READERS]

    assert all(text is texts[0] for text in texts)


async def test_twenty_followers_get_the_same_message(
    alice: Person, bob: Person, chat: str, other_server: Server
) -> None:
    """On sockets, each under its own id, and the sender's own beside them."""
    document = INBOX.replace("... on", "__typename ... on")
    async with (
        bob.at(other_server).socket() as socket,
        alice.at(other_server).follow(document) as own,
    ):
        names = [f"operation {n}" for n in range(20)]
        for name in names:
            await until(await socket.subscribe(document, name), "InboxReady")
        await until(own, "InboxReady")

        said = await alice.say(chat, "Hello")

        arrived: list[Json] = []
        while len(arrived) < len(names):
            message = await socket.receive()
            if "MessageAdded" in str(message):
                arrived.append(message)
        assert {each["id"] for each in arrived} == set(names)
        assert all(each["payload"] == arrived[0]["payload"] for each in arrived)
        theirs = arrived[0]["payload"]["data"]["inbox"]["message"]
        assert (theirs["text"], theirs["status"]) == ("Hello", None)
        assert (await added(own))["message"] == {
            **theirs,
            "id": said["id"],
            "status": "SENT",
            "deliveredCount": 0,
        }
