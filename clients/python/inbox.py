"""The inbox as one endless stream: it connects again, and goes on where the server knows it is.

The same variables are sent each time. With a `streamId` the server begins after what was
acknowledged under this name, so nothing has to be counted here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

from clients.python.failures import Incompatible, NoAnswer, Unauthenticated, failure
from clients.python.patience import Backoff, Patience
from clients.python.reducer import FOLLOW, Json
from clients.python.session import Session

# A task that swallowed its cancellation is cancelled again after so long.
CANCELLED_AGAIN_S = 1.0
LOST = 1006
RESTARTS = 1012
UNAUTHORIZED = 4401
# The client broke the protocol, or may not connect at all: docs/errors.md.
FAULTS = {1007, 1008, 1009, 4400, 4406, 4409, 4429}


class Inbox:
    """Everything that happens to the user: `async for event in inbox.events()`."""

    def __init__(self, url: str, session: Session, variables: Json, patience: Patience) -> None:
        self._url = url.replace("http", "ws", 1)
        self._session = session
        self._request = GraphQLRequest(FOLLOW, variable_values=variables)
        self._answer_s = patience.answer_s
        # A connection that has gone silent is found by a ping without an answer.
        self._connect_args: dict[str, Any] = {
            "ping_interval": patience.ping_s,
            "ping_timeout": patience.ping_s,
            # What has gone silent answers no close, either.
            "close_timeout": 1,
            "max_size": None,
        }
        self._backoff = Backoff(patience)
        # The codes with which earlier connections were closed, for a log.
        self.closed_with: list[int] = []

    async def events(self) -> AsyncGenerator[Json, None]:
        """Yield events, at least once each.

        Raises:
            SignedOut: the session is over.
            Incompatible: the server does not take this client.
            Refused: the server does not take the subscription.
        """
        while True:
            access = self._session.tokens.access
            try:
                async with self._connected(access) as connection:
                    async for data in connection.subscribe(self._request):
                        if data["inbox"]["__typename"] == "InboxReady":
                            self._backoff.reset()
                        yield data["inbox"]
                        require_not_cancelled()
                # The server ended the subscription and not the connection: it never does.
                await self._backoff.wait()
            except TransportQueryError as error:
                require_not_cancelled()
                await self._after_error((error.errors or [{}])[0], access)
            except (TransportError, TimeoutError, OSError) as error:
                require_not_cancelled()
                await self._after_close(close_code(error), access)

    @asynccontextmanager
    async def _connected(self, access: str) -> AsyncIterator[AsyncClientSession]:
        transport = WebsocketsTransport(
            self._url,
            init_payload={"authorization": f"Bearer {access}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            connect_args=self._connect_args,
            connect_timeout=self._answer_s,
            ack_timeout=self._answer_s,
            close_timeout=1,
        )
        client = Client(transport=transport)
        try:
            connection = await client.connect_async()
        except BaseException:
            # gql leaves a connection open that it gave up before it was acknowledged.
            await transport.adapter.close()
            raise
        try:
            yield connection
        finally:
            await client.close_async()

    async def _after_close(self, code: int, access: str) -> None:
        """Do what docs/errors.md says about the close code."""
        self.closed_with.append(code)
        if code in FAULTS:
            raise Incompatible(f"The server closed the connection with {code}.")
        if code == UNAUTHORIZED:
            # Never again with the same token.
            await self._session.refresh(access)
        elif code == RESTARTS and self.closed_with[-2:] != [RESTARTS, RESTARTS]:
            # A deploy closes connections one by one, over seconds: another process takes this one.
            return
        else:
            # Lost, too slow, overloaded; or a code that this client does not know.
            await self._backoff.wait()

    async def _after_error(self, error: Json, access: str) -> None:
        """The subscription was answered with an error."""
        match failure(error):
            case Unauthenticated():
                await self._session.refresh(access)
            case NoAnswer() as busy:
                await self._backoff.wait(busy.retry_after_s)
            case refused:
                raise refused


def require_not_cancelled() -> None:
    """Go on with a cancellation that gql swallowed, or in whose place it raised that the connection
    is lost.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended, and raise what ended it, unless that was this.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which gql uses, may swallow it.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCELLED_AGAIN_S)
    if not task.cancelled():
        task.result()


def close_code(error: BaseException | None) -> int:
    """Return the code with which the server closed the websocket; 1006: it did not say."""
    while error is not None:
        if isinstance(error, ConnectionClosed):
            return error.rcvd.code if error.rcvd else LOST
        error = error.__cause__
    return LOST
