"""The kit as a client under test: `python -m clients.python.adapter`. docs/conformance.md says what
its lines mean.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from clients.python.failures import SignedOut
from clients.python.inbox import end
from clients.python.messenger import Messenger
from clients.python.patience import Patience
from clients.python.reducer import Json, Replica
from clients.python.session import Tokens
from clients.python.store import FileStore

# Those of an app would make a conformance run long.
IMPATIENT = Patience(answer_s=3, ping_s=1, retry_s=0.1)


class Adapter:
    """One client at a time: `start` to `stop`."""

    # What applies the events; a test takes a broken one.
    replica: type[Replica] = Replica

    def __init__(self) -> None:
        self._messenger: Messenger
        self._running: asyncio.Task[None] | None = None
        self._signed_out = False

    async def answer(self, command: Json) -> Json:
        """Do one command, and return its answer."""
        match command["do"]:
            case "start":
                await self._start(command)
            case "send":
                self._messenger.send(
                    *(command[n] for n in ("channelId", "text", "clientMessageId"))
                )
            case "dump":
                return {"id": command["id"], "ok": True, "picture": self._picture()}
            case "stop":
                await self.stop()
            case unknown:
                return {"id": command["id"], "ok": False, "why": f"unknown: {unknown}"}
        return {"id": command["id"], "ok": True}

    async def _start(self, command: Json) -> None:
        store = FileStore(Path(command["folder"]) / "picture")
        device = FileStore(Path(command["sharedFolder"]) / "session")
        self._messenger = Messenger(
            command["url"],
            store,
            stream_id=command["streamId"],
            session_store=device,
            patience=IMPATIENT,
            heartbeat_s=1,
            replica=self.replica(),
        )
        if not self._messenger.session.signed_in:
            given = (command[name] for name in ("accessToken", "refreshToken", "userId"))
            self._messenger.session.keep(Tokens(*given))
        self._signed_out = False
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with self._messenger:
                await self._messenger.run()
        except SignedOut:
            self._signed_out = True

    async def stop(self) -> None:
        if self._running is not None:
            await end(self._running)
            self._running = None

    def _picture(self) -> Json:
        if self._running is not None and self._running.done():
            # Raises what ended it.
            self._running.result()
        return {
            "signedOut": self._signed_out,
            "channels": [channel(each) for each in self._messenger.replica.channels.values()],
            "outbox": [
                {**draft.input, "refused": draft.refused} for draft in self._messenger.outbox.drafts
            ],
        }


def channel(held: Json) -> Json:
    """Return a channel as it is shown: messages by seq."""
    return {
        "id": held["id"],
        "lastSeq": held["lastSeq"],
        "unreadCount": held["unreadCount"],
        "memberIds": sorted(member["user"]["id"] for member in held["members"].values()),
        "messages": [message(each) for _, each in sorted(held["messages"].items())],
    }


def message(held: Json) -> Json:
    names = ("id", "seq", "kind", "text", "clientMessageId")
    return {
        **{name: held[name] for name in names},
        "senderId": None if held["sender"] is None else held["sender"]["id"],
        "edited": held["editedAt"] is not None,
        "deleted": held["deletedAt"] is not None,
        "reactions": [
            {"emoji": each["emoji"], "userIds": sorted(each["userIds"])}
            for each in held["reactions"]
        ],
    }


async def main() -> None:
    """Answer line by line, until the input ends."""
    adapter = Adapter()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command: dict[str, Any] = json.loads(line)
        try:
            answer = await adapter.answer(command)
        except Exception as error:
            answer = {"id": command["id"], "ok": False, "why": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    await adapter.stop()


if __name__ == "__main__":
    asyncio.run(main())
