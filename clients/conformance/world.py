"""What a scenario has: two people, their chat, and clients of the second one behind a proxy."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from clients.conformance.driver import Driver, Json
from clients.conformance.people import Somebody, sign_in
from clients.conformance.picture import differences, take_picture
from tests.faults.proxy import Proxy, proxy

POLL_S = 0.05
# A client may wait for a ping's answer, and then 30 s for its next try.
WITHIN_S = 90

StartDriver = Callable[[], Awaitable[Driver]]


class Different(Exception):
    """The client's picture did not become the server's. Each sentence is one difference."""

    def __init__(self, found: list[str]) -> None:
        super().__init__("\n".join(found))
        self.found = found


@dataclass(frozen=True, slots=True)
class Target:
    """The server, and what of it the scenarios must know."""

    url: str
    # Entries of a channel that the server replays; beyond that it says ResyncRequired.
    replay_entries: int = 1000


@dataclass
class Client:
    """A client under test, and the connection through which it sees the server."""

    driver: Driver
    between: Proxy
    start_arguments: Json

    async def start(self, **changed: str) -> None:
        await self.driver.tell("start", **self.start_arguments | changed)

    async def send(self, channel_id: str, text: str) -> None:
        """Have it send a message, whose text is its id, too."""
        await self.driver.tell("send", channelId=channel_id, clientMessageId=text, text=text)

    async def send_all(self, channel_id: str, texts: list[str]) -> None:
        for text in texts:
            await self.send(channel_id, text)

    async def picture(self) -> Json:
        picture: Json = (await self.driver.tell("dump"))["picture"]
        return picture

    def cut_off(self) -> None:
        """End all of its connections, and let no new one through."""
        self.between.open = False
        self.cut()

    def cut(self) -> None:
        for link in tuple(self.between.links):
            link.cut()

    def reconnect(self) -> None:
        self.between.open = True


@dataclass
class World:
    """`bob` is the user of the clients; the server's picture is what this second device of his
    gets from the server.
    """

    target: Target
    alice: Somebody
    bob: Somebody
    # The device of the clients.
    phone: Somebody
    chat: str
    folder: Path
    within_s: float
    start_driver: StartDriver
    clients: list[Client] = field(default_factory=list)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def client(self, name: str = "main") -> Client:
        """Make a client with a store of its own, not started yet; the session is the device's."""
        address = urlsplit(self.target.url)
        between = await self.stack.enter_async_context(proxy(address.port or 80))
        folder = self.folder / name
        folder.mkdir()
        where = f"127.0.0.1:{between.port}{address.path}"
        tokens = self.phone.tokens
        client = Client(
            await self.start_driver(),
            between,
            {
                "url": f"http://{where}",
                "websocketUrl": f"ws://{where}",
                "accessToken": tokens.access,
                "refreshToken": tokens.refresh,
                "userId": tokens.user_id,
                "streamId": name,
                "folder": str(folder),
                "sharedFolder": str(self.folder),
            },
        )
        self.clients.append(client)
        return client

    async def started(self, name: str = "main") -> Client:
        """Return a client that shows what is there."""
        client = await self.client(name)
        await client.start()
        await self.same(client)
        return client

    async def same(self, *clients: Client) -> None:
        """Wait until the clients' pictures are the server's. Raises Different."""
        for client in clients or self.clients:

            async def found(client: Client = client) -> list[str]:
                # The server's is taken anew, for what the client sends may still arrive.
                return differences(await take_picture(self.bob), await client.picture())

            await self._until_none(found)

    async def says_signed_out(self, client: Client) -> None:
        async def found() -> list[str]:
            told = (await client.picture())["signedOut"]
            return [] if told else ["the session is over, and signedOut is not true"]

        await self._until_none(found)

    async def _until_none(self, found: Callable[[], Awaitable[list[str]]]) -> None:
        deadline = time.monotonic() + self.within_s
        while sentences := await found():
            if time.monotonic() > deadline:
                raise Different(sentences)
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def make_world(
    target: Target, start_driver: StartDriver, within_s: float = WITHIN_S
) -> AsyncIterator[World]:
    """Two people who have said something to each other."""
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(sign_in(target.url, "Alice"))
        bob = await stack.enter_async_context(sign_in(target.url, "Bob"))
        phone = await stack.enter_async_context(sign_in(target.url, "Bob", bob.number))
        chat = await alice.open_chat(bob)
        await alice.say(chat, "Hello")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        world = World(target, alice, bob, phone, chat, folder, within_s, start_driver)
        await stack.enter_async_context(world.stack)
        try:
            yield world
        finally:
            for client in world.clients:
                await client.driver.kill()
