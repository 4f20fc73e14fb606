"""What the user wrote and the server has not answered yet. It survives a lost connection and a
restart of the app.

Each message has a `clientMessageId` of its own and is sent again with it until there is an answer:
the server stores it once. The messages of a channel are sent one after the other, so that they get
their `seq` in the order in which they were written.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from clients.python.documents import SEND
from clients.python.failures import NoAnswer, Refused, ServerFault
from clients.python.patience import Backoff, Patience
from clients.python.reducer import Json
from clients.python.store import Store

PREFIX = "outbox/"


@dataclass(slots=True)
class Draft:
    """A message on its way. `refused` is the code with which the server said no."""

    # Its place in the order of writing.
    number: int
    # As `SendMessageInput` has it.
    input: Json
    refused: str | None = None

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.number:012}"

    def row(self) -> Json:
        return {"input": self.input, "refused": self.refused}


class Outbox:
    """Drafts in the order in which they were written.

    `ask` asks the server; `sent` gets each stored message before its draft is taken out.
    """

    def __init__(
        self,
        store: Store,
        ask: Callable[..., Awaitable[Any]],
        sent: Callable[[Json], None],
        patience: Patience,
    ) -> None:
        self._store = store
        self._ask = ask
        self._sent = sent
        self._patience = patience
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        rows = sorted((key, row) for key, row in store.load().items() if key.startswith(PREFIX))
        self.drafts = [Draft(int(key.removeprefix(PREFIX)), **row) for key, row in rows]

    def add(self, channel_id: str, text: str, client_message_id: str | None = None) -> str:
        """Store a message to be sent, now or as soon as there is a network; return its id."""
        id_ = client_message_id or str(uuid.uuid4())
        number = self.drafts[-1].number + 1 if self.drafts else 1
        input_ = {"channelId": channel_id, "clientMessageId": id_, "text": text}
        self.drafts.append(Draft(number, input_))
        self._keep(self.drafts[-1])
        return id_

    def retry(self, client_message_id: str) -> None:
        """Send once more what was refused, as the user wishes."""
        for draft in self._named(client_message_id):
            draft.refused = None
            self._keep(draft)

    def drop(self, client_message_id: str) -> None:
        """Take a message out: the user gave it up, or the inbox has shown that it is stored."""
        for draft in self._named(client_message_id):
            self.drafts.remove(draft)
            self._store.save({draft.key: None})

    def hurry(self) -> None:
        """Try at once what waits for its next try: the server can be reached again."""
        self._hurry.set()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Send all that is here and all that comes, each channel by itself. Raises SignedOut."""
        async with asyncio.TaskGroup() as group:
            busy: dict[str, asyncio.Task[None]] = {}
            while True:
                self._wake.clear()
                for draft in self.drafts:
                    channel_id = draft.input["channelId"]
                    task = busy.get(channel_id)
                    if draft.refused is None and (task is None or task.done()):
                        busy[channel_id] = group.create_task(self._send_all(channel_id))
                await self._wake.wait()

    async def _send_all(self, channel_id: str) -> None:
        while draft := self._next(channel_id):
            await self._send(draft)
        # What was added in this moment finds no task that is done; look again.
        self._wake.set()

    async def _send(self, draft: Draft) -> None:
        """Send until there is an answer, or the inbox shows that it is stored."""
        backoff = Backoff(self._patience)
        faults = 0
        while draft in self.drafts:
            try:
                self._sent((await self._ask(SEND, input=draft.input))["message"])
                self.drop(draft.input["clientMessageId"])
            except ServerFault as fault:
                faults += 1
                if faults > 1:
                    self._refuse(draft, "INTERNAL")
                    return
                await backoff.wait(fault.retry_after_s, self._hurry)
            except NoAnswer as none:
                await backoff.wait(none.retry_after_s, self._hurry)
            except Refused as refused:
                self._refuse(draft, refused.code)
                return

    def _refuse(self, draft: Draft, code: str) -> None:
        """Mark it as not sent, and let the user decide; what was written after it goes on."""
        draft.refused = code
        self._keep(draft)

    def _next(self, channel_id: str) -> Draft | None:
        waiting = (d for d in self.drafts if d.input["channelId"] == channel_id and not d.refused)
        return next(waiting, None)

    def _named(self, client_message_id: str) -> list[Draft]:
        return [d for d in self.drafts if d.input["clientMessageId"] == client_message_id]

    def _keep(self, draft: Draft) -> None:
        if draft in self.drafts:
            self._store.save({draft.key: draft.row()})
        self._wake.set()
