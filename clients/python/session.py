"""A device's session: who is signed in, its tokens, and asking the server with them.

No clock of this machine is asked whether a token has expired: it may be wrong. The server says so
(`SessionExpiring` in the inbox, UNAUTHENTICATED, the close code 4401); then `refresh` is called.
"""

import asyncio
from typing import Any, NamedTuple, Self

from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport

from clients.python.documents import REFRESH, REQUEST_CODE, SIGN_IN
from clients.python.failures import NoAnswer, Refused, SignedOut, Unauthenticated, failure
from clients.python.patience import Backoff, Patience
from clients.python.reducer import Json
from clients.python.store import Store

KEY = "session"


class Tokens(NamedTuple):
    """The two tokens, and whose they are. `access` is sent with each request, `refresh` only to
    refreshSession.
    """

    access: str
    refresh: str
    user_id: str

    @classmethod
    def of(cls, session: Json) -> Self:
        return cls(session["accessToken"], session["refreshToken"], session["user"]["id"])


class Session:
    """One signed-in device. Entered, it holds a connection for what it asks."""

    def __init__(self, url: str, store: Store, patience: Patience) -> None:
        self._store = store
        self._patience = patience
        transport = HTTPXAsyncTransport(url, timeout=patience.answer_s)
        self._client = Client(transport=transport, execute_timeout=patience.answer_s)
        self._http: AsyncClientSession
        self._refreshing = asyncio.Lock()
        self._tokens = self._stored()

    async def __aenter__(self) -> Self:
        self._http = await self._client.connect_async()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close_async()

    @property
    def tokens(self) -> Tokens:
        """Raises SignedOut if nobody is signed in."""
        if self._tokens is None:
            raise SignedOut("Nobody is signed in on this device.")
        return self._tokens

    @property
    def signed_in(self) -> bool:
        return self._tokens is not None

    async def request_code(self, phone_number: str) -> Json:
        """Have a code sent to the number: `requestSecret` goes back with it, and a development
        server tells it here (`developmentCode`).
        """
        code: Json = await self._ask(REQUEST_CODE, None, phoneNumber=phone_number)
        return code

    async def sign_in(self, **sign_in: Any) -> bool:
        """Give back the code: `phoneNumber`, `requestSecret`, `code`, `name` and `device`. Return
        whether this made the account.
        """
        session = await self._ask(SIGN_IN, None, input=sign_in)
        self.keep(Tokens.of(session))
        is_new: bool = session["isNewUser"]
        return is_new

    def keep(self, tokens: Tokens | None) -> None:
        """Store first, then use: a refresh token that is lost ends the session."""
        self._store.save({KEY: None if tokens is None else list(tokens)})
        self._tokens = tokens

    async def ask(self, document: str, **variables: Any) -> Any:
        """Return what the document's one field gave.

        Raises:
            NoAnswer: ask the same again, later.
            Refused: the server said no.
            SignedOut: the session is over.
        """
        while True:
            access = self.tokens.access
            try:
                return await self._ask(document, access, **variables)
            except Unauthenticated:
                await self.refresh(access)

    async def refresh(self, rejected: str) -> None:
        """Get new tokens in place of the access token that was rejected, once for all who wait.

        Raises SignedOut: the session is over; the tokens are deleted.
        """
        async with self._refreshing:
            # Somebody who waited before, or another tab with the same store, has done it.
            stored = self._stored()
            if stored is None or stored.access != rejected:
                self._tokens = stored
                return
            try:
                self.keep(await self._refreshed(stored))
            except (Refused, Unauthenticated) as over:
                self.keep(None)
                raise SignedOut(str(over)) from over

    async def _refreshed(self, tokens: Tokens) -> Tokens:
        """Ask with the same refresh token until there is an answer: it may be that one was lost."""
        backoff = Backoff(self._patience)
        while True:
            try:
                return Tokens.of(await self._ask(REFRESH, None, refreshToken=tokens.refresh))
            except NoAnswer as none:
                await backoff.wait(none.retry_after_s)

    async def _ask(self, document: str, access: str | None, **variables: Any) -> Any:
        request = GraphQLRequest(document, variable_values=variables)
        headers = {} if access is None else {"authorization": f"Bearer {access}"}
        try:
            data = await self._http.execute(request, extra_args={"headers": headers})
        except TransportQueryError as error:
            raise failure((error.errors or [{}])[0]) from None
        except (TransportError, TimeoutError) as error:
            # Nothing came, or what came was of something in between.
            raise NoAnswer(repr(error)) from error
        (value,) = data.values()
        if isinstance(value, dict) and "code" in value:
            raise failure(value)
        return value

    def _stored(self) -> Tokens | None:
        row = self._store.load().get(KEY)
        return None if row is None else Tokens(*row)
