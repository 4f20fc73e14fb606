"""Record what three viewers' streams give, and what the reducer of clients/python makes of it, for
the tests of reducers in other languages.

`python -m tests.kits.record` writes clients/recorded.json: a step is an event, or what was
fetched, with the parts of the picture that it changed.
"""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from clients.python.reducer import Json, Replica
from examples.client import Api, Device
from examples.server import start_server
from tests.changes import DELETE, EDIT, REACT
from tests.groups import ADD, CREATE, REMOVE, SET_ROLE, UPDATE
from tests.kits.documents import CLIENTS, operations, read_documents

RECORDING = CLIENTS / "recorded.json"
ASK = operations(read_documents(CLIENTS / "typescript" / "documents"))
THE_END = "the end"
ACKNOWLEDGE = """mutation ($input: AcknowledgeInput!) { acknowledge(input: $input) {
    ... on AcknowledgePayload { positions { channelId } } ... on Refusal { code reason } } }"""
MUTE = """mutation ($id: ID!, $until: DateTime) { muteChannel(channelId: $id, until: $until) {
    ... on ChannelPayload { channel { id } } ... on Refusal { code reason } } }"""


def picture_of(channel: Json | None) -> Json | None:
    """Return a channel of the picture as JSON has it, whose keys are texts."""
    return deepcopy(channel) if channel is None else json.loads(json.dumps(channel))


class Steps(list[Json]):
    """What one viewer's reducer was given, and what it made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.replica = Replica()
        self._before: Json = {}

    def put(self, channel_id: str, channel: Json | None) -> None:
        self.replica.put(channel_id, channel)
        self._add(put=[channel_id, channel])

    def put_state(self, channel_id: str, state: Json | None, *, fresh: bool) -> None:
        self.replica.stale = self.replica.stale and not fresh
        self.replica.put_state(channel_id, state)
        self._add(putState=[channel_id, state], fresh=fresh)

    def event(self, event: Json) -> None:
        self.replica.apply(event)
        self._add(event=event)

    def _add(self, **step: Any) -> None:
        now = {id: picture_of(channel) for id, channel in self.replica.channels.items()}
        changed = {
            id: now.get(id)
            for id in now.keys() | self._before
            if now.get(id) != self._before.get(id)
        }
        missing = sorted(self.replica.missing)
        # The reducer goes on with what it was given.
        self.append(
            {**deepcopy(step), "missing": missing, "stale": self.replica.stale, "channels": changed}
        )
        self._before = now


class Viewer:
    """Follows a device's inbox, and writes down each step."""

    def __init__(self, device: Device) -> None:
        self.steps = Steps()
        self.ends: set[str] = set()
        self._device = device

    async def fetch_all(self) -> None:
        for channel in (await self._device.ask(ASK["ListChannels"]))["nodes"]:
            await self._fetch(channel["id"])

    async def _fetch(self, channel_id: str) -> None:
        self.steps.put(channel_id, await self._device.ask(ASK["FetchChannel"], id=channel_id))

    async def take(self, event: Json) -> None:
        self.steps.event(event)
        for channel_id in sorted(self.steps.replica.missing):
            await self._fetch(channel_id)
        if event["__typename"] in ("InboxReady", "ViewerUpdated"):
            for number, channel_id in enumerate(sorted(self.steps.replica.channels)):
                state = await self._device.ask(ASK["FetchState"], id=channel_id)
                self.steps.put_state(channel_id, state, fresh=number == 0)
        is_out = event["__typename"] == "ChannelUpdated" and event["channel"] is None
        if is_out or (event.get("message") or {}).get("text") == THE_END:
            self.ends.add(event["channelId"])

    async def add_what_is_unknown(self, chat: str) -> None:
        """Add events that only a later server sends, and one that asks to fetch the chat again."""
        steps, at = self.steps, "2099-01-01T00:00:00.000Z"
        steps.event({"__typename": "SomethingNew", "at": at})
        steps.event({"__typename": "SomethingNew", "at": at, "channelId": chat})
        held = steps.replica.channels[chat]
        newest, seq = held["messages"][max(held["messages"])], held["lastSeq"]
        steps.event({"__typename": "SomethingNew", "at": at, "channelId": chat, "seq": seq + 1})
        hologram = {**newest, "id": f"{newest['id']}0", "seq": seq + 2, "kind": "HOLOGRAM"}
        added = {"__typename": "MessageAdded", "at": at, "channelId": chat, "seq": seq + 2}
        steps.event({**added, "message": hologram})
        steps.event({"__typename": "ResyncRequired", "at": at, "channelId": chat, "seq": seq})
        await self._fetch(chat)


@asynccontextmanager
async def following(device: Device, *, channels: int) -> AsyncIterator[Viewer]:
    """Entered when the viewer is at the present; left when so many channels came to their end."""
    viewer = Viewer(device)
    await viewer.fetch_all()
    async with connect(
        f"ws://127.0.0.1:{device.apis[0].port}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        proxy=None,
    ) as socket:
        authorization = {"authorization": f"Bearer {device.token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": authorization}))
        after = [
            {"channelId": id, "seq": each["lastSeq"]}
            for id, each in viewer.steps.replica.channels.items()
        ]
        payload = {"query": ASK["Inbox"], "variables": {"after": after}}
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "id": "inbox", "payload": payload}))

        async def take_until(typename: str, ends: int = 0) -> None:
            async with asyncio.timeout(30):
                while True:
                    event = json.loads(await socket.recv())["payload"]["data"]["inbox"]
                    await viewer.take(event)
                    if event["__typename"] == typename or 0 < ends <= len(viewer.ends):
                        return

        await take_until("InboxReady")
        yield viewer
        await take_until("", ends=channels)


async def record(port: int) -> dict[str, Steps]:
    """Let three people talk, and return the steps of each."""
    apis = [Api(port)]
    alice, bob, carl = [
        await Device.sign_in(apis, f"+1415555190{n}", name)
        for n, name in enumerate(("Alice", "Bob", "Carl"))
    ]
    chat, _ = await alice.open_chat(bob)
    await alice.send(chat, "Before the streams")
    group = (await alice.ask(CREATE, input={"name": "Trip", "memberIds": [bob.user_id]}))["group"]
    async with (
        following(alice, channels=2) as of_alice,
        following(bob, channels=2) as of_bob,
        following(carl, channels=1) as of_carl,
    ):
        await talk(alice, bob, carl, chat, group["id"])
        for channel_id in (chat, group["id"]):
            await alice.send(channel_id, THE_END)
    for viewer in (of_alice, of_bob):
        await viewer.add_what_is_unknown(chat)
    for api in apis:
        api.close()
    return {"alice": of_alice.steps, "bob": of_bob.steps, "carl": of_carl.steps}


async def talk(alice: Device, bob: Device, carl: Device, chat: str, group: str) -> None:
    """Do one of each that changes a log, and some that do not."""
    hello = (await alice.send(chat, "Hello"))["message"]
    await bob.ask(ACKNOWLEDGE, input={"delivered": [{"channelId": chat, "seq": hello["seq"]}]})
    await bob.ask(REACT, id=hello["id"], emoji="👍")
    await alice.ask(EDIT, id=hello["id"], text="Hello, Bob")
    answer = (await bob.send(chat, "Hello, Alice"))["message"]
    await alice.ask(ACKNOWLEDGE, input={"read": [{"channelId": chat, "seq": answer["seq"]}]})
    await bob.ask(DELETE, id=answer["id"])
    await bob.ask(MUTE, id=chat, until="2099-01-01T00:00:00Z")
    await alice.ask(ADD, groupId=group, userIds=[carl.user_id])
    await carl.send(group, "I am new here")
    await alice.ask(UPDATE, input={"groupId": group, "name": "Trip to Rome"})
    await alice.ask(SET_ROLE, groupId=group, userId=bob.user_id, role="ADMIN")
    await bob.ask(REMOVE, groupId=group, userId=carl.user_id)
    await bob.ask(ACKNOWLEDGE, input={"read": [{"channelId": group, "seq": 4}]})


def plain(text: str) -> str:
    """Put short names in the place of ids, and round times in the place of times: a new recording
    of the same talk differs only where something else happened.
    """
    ids = (f"{n:03}" for n in itertools.count(1))
    seconds = itertools.count()
    known: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        given = found[0]
        if given not in known:
            is_time = given[4:5] == "-"
            known[given] = f"2026-01-31T12:00:{next(seconds):02}.000Z" if is_time else next(ids)
        return known[given]

    text = re.sub(r"[0-9a-f]{32}|20[0-8]\d-\d\d-\d\dT[0-9:.]+Z", renamed, text)
    return re.sub(r'"cursor": "[^"]+"', '"cursor": "cursor"', text)


async def main() -> None:
    async with start_server(api_processes=1) as server:
        recorded = await record(server.ports[0])
    lines = [
        f"{json.dumps(name)}: [\n"
        + ",\n".join(json.dumps(step, ensure_ascii=False) for step in steps)
        + "\n]"
        for name, steps in recorded.items()
    ]
    RECORDING.write_text(plain("{\n" + ",\n".join(lines) + "\n}\n"))


if __name__ == "__main__":
    asyncio.run(main())
