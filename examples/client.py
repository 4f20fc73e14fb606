"""A small client of Parley, of the standard library and `websockets`; copy what you need.

Three things make it exact:

- A send without an answer may have been stored. It is repeated with the same clientMessageId, at
  any process, until there is an answer: the message is stored once.
- An inbox is followed from the positions that the client holds, and after a break again: nothing is
  missed. The position moves with each entry that is taken.
- The entries of a channel come in order, each once. So there is nothing to sort and nothing to
  drop: an entry that is not the next one is a fault, and is raised.
"""

import asyncio
import itertools
import json
import random
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

Json = dict[str, Any]

REQUEST_CODE = """mutation ($number: PhoneNumber!) {
  requestCode(input: {phoneNumber: $number}) {
    ... on RequestCodePayload { developmentCode requestSecret }
    ... on Refusal { code reason }
  }
}"""
SIGN_IN = """mutation ($input: SignInInput!) {
  signIn(input: $input) {
    ... on Session { accessToken user { id name } }
    ... on Refusal { code reason }
  }
}"""
OPEN_CHAT = """mutation ($userId: ID!) {
  openChat(userId: $userId) {
    ... on OpenChatPayload { chat { id lastSeq } }
    ... on Refusal { code reason }
  }
}"""
SEND = """mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) {
    ... on SendMessagePayload { replayed message { id seq } }
    ... on Refusal { code reason }
  }
}"""
PAGE = """query ($channelId: ID!, $after: String) {
  channel(id: $channelId) {
    messages(first: 100, after: $after) {
      nodes { id seq text clientMessageId sender { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""
INBOX = """subscription ($after: [PositionInput!]) {
  inbox(after: $after) {
    __typename
    ... on LogEvent { channelId seq }
    ... on MessageAdded { message { id text clientMessageId sender { id } media { id state } } }
    ... on MessageUpdated { change message { id media { id state } } }
    ... on ResyncRequired { channelId seq }
  }
}"""


# Longer than the server takes to say that it cannot do something in time.
ANSWERED_WITHIN_S = 30


class NoAnswer(Exception):
    """It is not known whether what was asked has been done. Ask again."""


class Refused(Exception):
    """The server said no."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class OutOfOrder(Exception):
    """An entry came that is not the next one: the one thing that must never happen."""


class Api:
    """GraphQL over HTTP at one process, over connections that are kept open."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, document: str, variables: Json, token: str | None = None) -> Any:
        """Return what the document's one field gave.

        Raises:
            NoAnswer: the connection broke, or the server could not do it in time.
            Refused: anything else that is not what was asked for.
        """
        body = json.dumps({"query": document, "variables": variables}).encode()
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                answer = json.loads(await self._post(body, token))
        except (OSError, EOFError, TimeoutError) as error:
            raise NoAnswer(repr(error)) from error
        if errors := answer.get("errors"):
            _refuse(errors[0]["extensions"]["code"], errors[0]["message"])
        (value,) = answer["data"].values()
        if isinstance(value, dict) and "code" in value:
            _refuse(value["code"], value["reason"])
        return value

    async def _post(self, body: bytes, token: str | None) -> bytes:
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        if token is not None:
            head += f"Authorization: Bearer {token}\r\n"
        reader, writer = await self._connection()
        try:
            writer.write(head.encode() + b"\r\n" + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length:"))
            text = await reader.readexactly(int(length.partition(b":")[2]))
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return text

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self.host, self.port)

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


def _refuse(code: str, reason: str) -> None:
    raise NoAnswer(reason) if code == "UNAVAILABLE" else Refused(code, reason)


class Device:
    """A signed-in device, and the processes at which it may ask, the preferred one first."""

    def __init__(self, apis: Sequence[Api], user_id: str, token: str) -> None:
        self.apis = apis
        self.user_id = user_id
        self.token = token

    @classmethod
    async def sign_in(cls, apis: Sequence[Api], number: str, name: str) -> "Device":
        """With the code that a server in development shows; else it goes by SMS."""
        requested = await apis[0].ask(REQUEST_CODE, {"number": number})
        asked = {
            "phoneNumber": number,
            "requestSecret": requested["requestSecret"],
            "code": requested["developmentCode"],
            "name": name,
            "device": {"name": "An example", "platform": "DESKTOP"},
        }
        session = await apis[0].ask(SIGN_IN, {"input": asked})
        return cls(apis, session["user"]["id"], session["accessToken"])

    def at(self, *apis: Api) -> "Device":
        """Return the same device, asking elsewhere."""
        return Device(apis, self.user_id, self.token)

    async def ask(self, document: str, **variables: Any) -> Any:
        return await self.apis[0].ask(document, variables, self.token)

    async def open_chat(self, other: "Device") -> tuple[str, int]:
        """Return the chat's id, and the newest entry of its log."""
        chat = (await self.ask(OPEN_CHAT, userId=other.user_id))["chat"]
        return chat["id"], chat["lastSeq"]

    async def send(self, channel_id: str, text: str, client_message_id: str | None = None) -> Json:
        """Stored when this returns, and stored once: {"replayed": …, "message": {"id", "seq"}}."""
        message = {
            "channelId": channel_id,
            "clientMessageId": client_message_id or uuid.uuid4().hex,
            "text": text,
        }
        for api in itertools.cycle(self.apis):
            try:
                sent: Json = await api.ask(SEND, {"input": message}, self.token)
                return sent
            except NoAnswer:
                # Not all clients at the same moment.
                await asyncio.sleep(random.uniform(0.05, 0.15))
        raise AssertionError("There is no process to ask.")

    async def history(self, channel_id: str) -> list[Json]:
        """All messages of a channel, page by page."""
        messages: list[Json] = []
        after = None
        while True:
            channel = await self.ask(PAGE, channelId=channel_id, after=after)
            page = channel["messages"]
            messages += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return messages
            after = page["pageInfo"]["endCursor"]

    def inbox(self, positions: Mapping[str, int]) -> "Inbox":
        return Inbox(self.apis, self.token, positions)


class Inbox:
    """Everything that happens to a user after the positions held: `async for event in inbox`."""

    def __init__(self, apis: Sequence[Api], token: str, positions: Mapping[str, int]) -> None:
        # By channel, the last entry taken. A real client keeps these with its messages.
        self.positions = dict(positions)
        self.connection: ClientConnection | None = None
        # The codes with which the server closed earlier connections; 1006 for one that broke.
        self.closed_with: list[int] = []
        self._apis = apis
        self._token = token

    async def __aiter__(self) -> AsyncIterator[Json]:
        for api in itertools.cycle(self._apis):
            try:
                async with self._connect(api) as self.connection:
                    async for event in self._events(self.connection):
                        self._advance(event)
                        yield event
            except ConnectionClosed as closed:
                self.closed_with.append(closed.rcvd.code if closed.rcvd else 1006)
                if self.closed_with[-1] == 4401:
                    raise Refused("SESSION_REVOKED", "Refresh the session, or sign in.") from None
            except (OSError, EOFError, TimeoutError, InvalidHandshake):
                pass
            # Not all clients at the same moment.
            await asyncio.sleep(random.uniform(0.05, 0.15))

    def _connect(self, api: Api) -> connect:
        return connect(
            f"ws://{api.host}:{api.port}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression=None,
            proxy=None,
            open_timeout=ANSWERED_WITHIN_S,
            close_timeout=1,
        )

    async def _events(self, connection: ClientConnection) -> AsyncIterator[Json]:
        """The events of one connection, from the positions held."""
        authorization = {"authorization": f"Bearer {self._token}"}
        await _tell(connection, type="connection_init", payload=authorization)
        after = [{"channelId": id, "seq": seq} for id, seq in self.positions.items()]
        while True:
            message = json.loads(await connection.recv())
            match message["type"]:
                case "connection_ack":
                    payload = {"query": INBOX, "variables": {"after": after}}
                    await _tell(connection, type="subscribe", id="inbox", payload=payload)
                case "next":
                    yield message["payload"]["data"]["inbox"]
                case "error":
                    error = message["payload"][0]
                    raise Refused(error["extensions"]["code"], error["message"])
                case "ping":
                    await _tell(connection, type="pong")

    def _advance(self, event: Json) -> None:
        seq = event.get("seq")
        if seq is None:
            return
        channel_id = event["channelId"]
        held = self.positions.get(channel_id, seq - 1)
        # After ResyncRequired the channel is fetched anew, and followed from there.
        if seq != held + 1 and event["__typename"] != "ResyncRequired":
            raise OutOfOrder(f"entry {seq} of {channel_id} came after entry {held}")
        self.positions[channel_id] = seq


async def _tell(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))
