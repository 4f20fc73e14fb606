"""Connects to the one of a database's hosts that takes writes, and believes no commit that its
standby may lack.

`DATABASE_URL` may name several, as libpq has it: `postgresql://user@one,other:5433/name`. They are
tried in their order. A host that is silent, because its machine is gone, holds up a new connection
for a quarter of a second only: then the next one is tried beside it. asyncpg alone would wait for
the first for as long as a connection may take.
"""

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg

from models.postgresql import standby

# In quotes, since asyncpg's classes take their parameter only when types are checked.
Opened: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_WITHIN_S = 5.0
# A host that has not answered by then is tried further, beside the next one.
NEXT_HOST_AFTER_S = 0.25
# An open connection is given up when its server acknowledges nothing for so long: its machine is
# gone, or the way there.
SILENT_S = 5
ASK_EVERY_S = 2
TARGET = "target_session_attrs"
TAKES_WRITES = "read-write"


class Connected(asyncpg.Connection):
    """A connection that breaks when PostgreSQL gives up waiting for its synchronous standby.

    It does so when somebody cancels the statement. The transaction is committed, and PostgreSQL
    says that all is well after a warning; but the standby may lack it, and would lose it when it
    takes the primary's place. So the statement fails like one whose answer was lost.
    """

    __slots__ = ()

    def _process_log_message(self, fields: dict[str, str], last_query: str) -> None:
        # Here, since the pool takes log listeners away; R: the function of the server that says it.
        if fields.get("R") == standby.WAIT:
            self.terminate()
        super()._process_log_message(fields, last_query)  # type: ignore[misc]


async def open_connection(url: str, *, takes_writes: bool = True, **options: Any) -> Opened:
    """Open one connection to the first host of the URL that is as wanted: one that takes writes,
    where the URL itself does not say `target_session_attrs`. `options` are asyncpg's.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError,
        asyncpg.InternalClientError: no host is; the last two of hosts that are of the wrong kind.
    """
    if takes_writes and TARGET not in parse_qs(urlsplit(url).query):
        options[TARGET] = TAKES_WRITES
    options["connection_class"] = Connected
    async with asyncio.timeout(CONNECT_WITHIN_S):
        connection = await _open_first(split_hosts(url), options)
    _give_up_when_silent(connection)
    return connection


def split_hosts(url: str) -> list[str]:
    """Return the URL once for each of its hosts."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")]


async def _open_first(urls: Sequence[str], options: dict[str, Any]) -> Opened:
    waiting = deque(urls)
    attempts: set[asyncio.Task[Opened]] = set()
    errors: list[BaseException] = []
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(asyncpg.connect(waiting.popleft(), **options)))
            done, _ = await asyncio.wait(
                attempts,
                timeout=NEXT_HOST_AFTER_S if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                attempts.discard(attempt)
                error = attempt.exception()
                if error is None:
                    return attempt.result()
                errors.append(error)
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_drop)
            attempt.cancel()
    # One that will pass, if there is any: what one host says for good may not hold of the others.
    raise next((error for error in errors if not _is_final(error)), errors[0])


def _is_final(error: BaseException) -> bool:
    return isinstance(error, asyncpg.PostgresError) and not isinstance(
        error, asyncpg.PostgresConnectionError | asyncpg.OperatorInterventionError
    )


def _drop(attempt: "asyncio.Task[Opened]") -> None:
    """Close the connection that a host opened after another one had been chosen."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def _give_up_when_silent(connection: Opened) -> None:
    """Have the kernel break the connection when the server's machine has gone without a word. Else
    a statement on it would wait for a quarter of an hour.
    """
    # asyncpg shows its transport in no other way.
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]
    opened: socket.socket = transport.get_extra_info("socket")
    if opened.family == socket.AF_UNIX:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_S * 1000)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, ASK_EVERY_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_EVERY_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, SILENT_S // ASK_EVERY_S)
