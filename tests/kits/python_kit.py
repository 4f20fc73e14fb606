"""Python kits of people, which follow a node through a connection that a test can break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from clients.python.failures import SignedOut
from clients.python.inbox import end
from clients.python.messenger import Messenger
from clients.python.patience import Patience
from clients.python.session import Tokens
from clients.python.store import MemoryStore, Store
from tests.faults.proxy import Proxy
from tests.make import Person
from tests.waiting import eventually

IMPATIENT = Patience(answer_s=3, ping_s=1, retry_s=0.1)
HISTORY = """query ($id: ID!) { channel(id: $id) { lastSeq messages(last: 100) {
    nodes { seq text clientMessageId editedAt deletedAt reactions { emoji userIds } } } } }"""

Shown = list[tuple[int, str | None]]


def kit(
    between: Proxy,
    person: Person,
    store: Store | None = None,
    *,
    stream_id: str = "main",
    session_store: Store | None = None,
    patience: Patience = IMPATIENT,
) -> Messenger:
    """A kit with the person's session."""
    messenger = Messenger(
        f"http://127.0.0.1:{between.port}/graphql",
        store or MemoryStore(),
        stream_id=stream_id,
        session_store=session_store,
        patience=patience,
        heartbeat_s=1,
    )
    if not messenger.session.signed_in:
        messenger.session.keep(Tokens(person.token or "", person.refresh_token, person.id))
    return messenger


@dataclass
class Run:
    task: asyncio.Task[None]
    # The types of the events that came.
    told: list[str]


@asynccontextmanager
async def running(messenger: Messenger) -> AsyncIterator[Run]:
    """Entered when the inbox is ready for the first time."""
    told: list[str] = []
    messenger.on_event = lambda event: told.append(event["__typename"])
    async with messenger:
        task = asyncio.create_task(messenger.run())
        try:
            await eventually(lambda: "InboxReady" in told or task.done())
            yield Run(task, told)
        finally:
            # Raises what ended it, but what a test expects.
            with suppress(SignedOut):
                await end(task)


def cut_off(between: Proxy) -> None:
    """End all connections, and let no new one through until `open` is set."""
    between.open = False
    for link in tuple(between.links):
        link.cut()


def shown(messenger: Messenger, channel_id: str) -> Shown:
    """What the kit shows of a channel, from top to bottom: by seq."""
    channel = messenger.replica.channels.get(channel_id, {"messages": {}})
    return [(seq, each["text"]) for seq, each in sorted(channel["messages"].items())]


async def stored(person: Person, channel_id: str) -> Shown:
    """What the server has of it."""
    channel = (await person.query(HISTORY, id=channel_id))["channel"]
    return [(each["seq"], each["text"]) for each in channel["messages"]["nodes"]]
