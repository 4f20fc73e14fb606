"""A session that was ended ends its streams everywhere, whatever else hangs at the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from examples.client import Api, Inbox, Refused
from examples.server import RunningServer
from models.devices.revocations import ANSWERED_WITHIN_S
from subscriptions.session_watch import POLL_S
from tests.faults.another_api import another_api
from tests.faults.people import sign_in
from tests.faults.proxy import Link, Proxy, proxy
from tests.waiting import eventually

SIGN_OUT = "mutation { signOut { __typename } }"
POLL = b"FROM revocations"
# What is promised of a session that ends, and what a busy machine may take.
PROMISED_S, WITHIN_S = 2.0, 60.0


async def follow(inbox: Inbox, ready: asyncio.Event) -> None:
    async for event in inbox:
        if event["__typename"] == "InboxReady":
            ready.set()


@asynccontextmanager
async def behind_proxies(
    server: RunningServer, log_path: Path
) -> AsyncIterator[tuple[Api, Proxy, Proxy]]:
    """A process, and what is between it and PostgreSQL, and Valkey."""
    async with (
        proxy(server.address("postgresql").port or 0, (POLL,)) as database,
        proxy(server.address("valkey").port or 0) as valkey,
        another_api(server, log_path, database_port=database.port, valkey_port=valkey.port) as api,
    ):
        yield api, database, valkey


def _list_asking(database: Proxy) -> list[Link]:
    """Return the connections on which the process has asked for revocations."""
    return [link for link in database.links if POLL in link.client_said]


async def test_a_revocation_ends_streams_though_valkey_and_the_connection_that_asks_are_silent(
    server: RunningServer, apis: list[Api], tmp_path: Path
) -> None:
    device, ready = await sign_in(apis), asyncio.Event()
    async with behind_proxies(server, tmp_path / "log") as (api, database, valkey):
        inbox = device.at(api).inbox({})
        following = asyncio.create_task(follow(inbox, ready))
        await asyncio.wait_for(ready.wait(), WITHIN_S)
        await eventually(lambda: _list_asking(database))
        asking = _list_asking(database)
        valkey.open = False
        for link in [*asking, *valkey.links]:
            link.silent = True

        await device.ask(SIGN_OUT)

        with pytest.raises(Refused, match="SESSION_REVOKED"):
            await asyncio.wait_for(following, WITHIN_S)
    assert inbox.closed_with[-1] == 4401
    # The question that is lost, and one more.
    assert POLL_S + 2 * ANSWERED_WITHIN_S <= PROMISED_S
