"""The kit as a whole: sign in, follow, send. What is shown is `replica`, then `outbox.drafts`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Self

from clients.python.documents import ACKNOWLEDGE, FIND, OPEN_CHAT
from clients.python.failures import NoAnswer, Refused, SignedOut
from clients.python.inbox import Inbox
from clients.python.outbox import Outbox
from clients.python.patience import Backoff, Patience
from clients.python.reducer import FETCH, FOLLOW_AT_MOST, LIST, STATES, Json, Replica
from clients.python.session import Session
from clients.python.store import FileStore, Store

CHANNEL = "channel/"
MISSING = "missing"
SYNCED = "synced"
PHONE = {"name": "Python kit", "platform": "DESKTOP"}


class Messenger:
    """One device's conversations, kept true.

    `store` keeps them. `stream_id` names the store: one for each, even if they are of one device.
    `on_event` gets each event after it was applied. Entered, it can ask; `run` follows.
    """

    def __init__(
        self,
        url: str,
        store: Store | Path | str,
        *,
        stream_id: str = "main",
        session_store: Store | None = None,
        patience: Patience = Patience(),  # noqa: B008
        heartbeat_s: int = 30,
        replica: Replica | None = None,
    ) -> None:
        self.store = store if isinstance(store, Store) else FileStore(Path(store))
        # Stores of one device share its session.
        self.session = Session(url, session_store or self.store, patience)
        self.replica = replica or Replica()
        self.outbox = Outbox(self.store, self.session.ask, self.replica.put_sent, patience)
        self.stream_id = stream_id
        self.on_event: Callable[[Json], None] = lambda event: None
        self._url = url
        self._patience = patience
        self._heartbeat_s = heartbeat_s
        self._open = AsyncExitStack()
        self._load()

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self.session)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def sign_in(
        self, phone_number: str, name: str, ask_code: Callable[[], Awaitable[str]]
    ) -> None:
        """Sign in, unless somebody is. `ask_code` asks the user for the code that came by SMS; a
        development server tells it, and nobody is asked.
        """
        if self.session.signed_in:
            return
        requested = await self.session.request_code(phone_number)
        code = requested["developmentCode"] or await ask_code()
        await self.session.sign_in(
            phoneNumber=phone_number,
            requestSecret=requested["requestSecret"],
            code=code,
            name=name,
            device=PHONE,
        )

    async def open_chat(self, phone_number: str) -> str:
        """Return the id of the chat with somebody. Raises Refused if there is no such account."""
        found = await self.session.ask(FIND, numbers=[phone_number])
        if not found:
            raise Refused("NOT_FOUND", "nobody has an account with this number")
        opened = await self.session.ask(OPEN_CHAT, userId=found[0]["id"])
        chat_id: str = opened["chat"]["id"]
        # No event tells of a chat in which nothing was said yet.
        if chat_id not in self.replica.channels:
            self.replica.missing.add(chat_id)
            await self._fetch()
        return chat_id

    def send(self, channel_id: str, text: str, client_message_id: str | None = None) -> str:
        """Send now, or as soon as there is a network; return the message's clientMessageId."""
        return self.outbox.add(channel_id, text, client_message_id)

    async def run(self) -> None:
        """Follow and send until it is cancelled.

        Raises:
            SignedOut: the session is over. What is stored stays, for the app to delete.
            Incompatible, Refused: the server does not take this client.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.outbox.run())
                group.create_task(self._follow())
        except BaseExceptionGroup as failed:
            raise leaf(failed) from None

    async def _follow(self) -> None:
        if SYNCED not in self.store.load():
            await self._first_sync()
        variables = {
            "after": self.replica.positions()[:FOLLOW_AT_MOST],
            "streamId": self.stream_id,
            "heartbeatSeconds": self._heartbeat_s,
        }
        inbox = Inbox(self._url, self.session, variables, self._patience)
        async for event in inbox.events():
            self.replica.apply(event)
            await self._fetch()
            await self._take(event)
            self.on_event(event)

    async def _take(self, event: Json) -> None:
        match event["__typename"]:
            case "MessageAdded":
                self.outbox.drop(event["message"]["clientMessageId"] or "")
            case "SessionExpiring":
                await self.session.refresh(self.session.tokens.access)
            case "InboxReady" | "InboxProgress":
                self.outbox.hurry()
                self.save()
                await self._acknowledge(event["cursor"])
            case _:
                # Also what a later server tells in an event that this client does not know.
                return

    async def _first_sync(self) -> None:
        """Fetch all channels. What happens meanwhile comes on the stream."""
        async for row in self._pages(LIST):
            self.replica.missing.add(row["id"])
        await self._fetch()
        self.save({SYNCED: True})

    async def _fetch(self) -> None:
        """Fetch what the events said is to be fetched."""
        for channel_id in sorted(self.replica.missing):
            self.replica.put(channel_id, await self._channel(channel_id))
        if self.replica.stale:
            self.replica.stale = False
            async for state in self._pages(STATES):
                self.replica.put_state(state["id"], state)

    async def _channel(self, channel_id: str) -> Json | None:
        """Return the channel; None: the user is not in it any more."""
        try:
            channel: Json | None = await self._patiently(FETCH, id=channel_id)
        except Refused:
            return None
        return channel

    async def _pages(self, document: str) -> AsyncIterator[Json]:
        after: str | None = None
        while True:
            page = await self._patiently(document, after=after)
            for node in page["nodes"]:
                yield node
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    async def _patiently(self, document: str, **variables: Any) -> Any:
        """Ask until there is an answer."""
        backoff = Backoff(self._patience)
        while True:
            try:
                return await self.session.ask(document, **variables)
            except NoAnswer as none:
                await backoff.wait(none.retry_after_s)

    async def _acknowledge(self, cursor: str) -> None:
        """Say that everything up to here is stored. If it fails, the next cursor covers it."""
        with suppress(NoAnswer, Refused):
            await self.session.ask(ACKNOWLEDGE, streamId=self.stream_id, cursor=cursor)

    def save(self, more: Json | None = None) -> None:
        """Store what changed in the picture."""
        rows: Json = {CHANNEL + id_: self.replica.row(id_) for id_ in self.replica.changed}
        rows[MISSING] = sorted(self.replica.missing) or None
        self.store.save(rows | (more or {}))
        self.replica.changed.clear()

    def _load(self) -> None:
        for key, row in self.store.load().items():
            if key.startswith(CHANNEL):
                self.replica.put(key.removeprefix(CHANNEL), row)
            elif key == MISSING:
                self.replica.missing.update(row)
        self.replica.changed.clear()


def leaf(failed: BaseException) -> BaseException:
    """Return the first failure of a group, SignedOut before others."""
    if not isinstance(failed, BaseExceptionGroup):
        return failed
    leaves = [leaf(each) for each in failed.exceptions]
    return next((each for each in leaves if isinstance(each, SignedOut)), leaves[0])
