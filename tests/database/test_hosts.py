"""The hosts of a database: the first that takes writes is chosen, whatever the others do."""

import secrets
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from models.postgresql.database import Database, connect
from models.postgresql.hosts import SILENT_S, open_connection, split_hosts
from models.refusals import Refused
from parley.ports import LOOPBACK, free_port, listening_socket


def with_hosts(url: str, *hosts: str) -> str:
    """Return the URL with these hosts before its own."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}@{','.join([*hosts, host])}").geturl()


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("postgresql://u@h/db", ["postgresql://u@h/db"]),
        ("postgresql://h:1,g:2/db", ["postgresql://h:1/db", "postgresql://g:2/db"]),
        (
            "postgresql://u:p%40@h,[::1]:5/db?a=b",
            ["postgresql://u:p%40@h/db?a=b", "postgresql://u:p%40@[::1]:5/db?a=b"],
        ),
        ("postgresql:///db?host=/run/pg", ["postgresql:///db?host=/run/pg"]),
    ],
)
def test_a_url_is_split_into_one_for_each_host(url: str, urls: list[str]) -> None:
    assert split_hosts(url) == urls


async def test_a_host_that_refuses_is_passed_over(database_url: str) -> None:
    url = with_hosts(database_url, f"{LOOPBACK}:{free_port()}")

    connection = await open_connection(url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_a_host_that_says_nothing_is_not_waited_for(database_url: str) -> None:
    """asyncpg alone would wait for it until the connection is given up."""
    with listening_socket(LOOPBACK, 0, shared=False) as silent:
        silent.listen()
        url = with_hosts(database_url, f"{LOOPBACK}:{silent.getsockname()[1]}")

        connection = await connect(url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_what_one_host_refuses_for_good_is_not_told_where_another_may_come_back(
    database_url: str,
) -> None:
    parts = urlsplit(database_url)
    stranger = parts._replace(netloc=f"nobody:x@{parts.netloc.rpartition('@')[2]}").geturl()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await open_connection(stranger)

    with pytest.raises(ConnectionRefusedError):
        await open_connection(with_hosts(stranger, f"{LOOPBACK}:{free_port()}"))


async def test_a_server_that_goes_without_a_word_is_noticed(database_url: str) -> None:
    connection = await connect(database_url)
    transport = connection._transport  # type: ignore[attr-defined]
    opened: socket.socket = transport.get_extra_info("socket")

    assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_S * 1000
    assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await connection.close()


@pytest_asyncio.fixture
async def standby_url(database: Database) -> AsyncIterator[str]:
    """The database as a role that may not write sees it, as all do at a standby, until `promote`;
    taken whatever it says about itself.
    """
    password = secrets.token_hex(8)
    await database.execute(f"CREATE ROLE of_standby SUPERUSER LOGIN PASSWORD '{password}'")
    await database.execute("ALTER ROLE of_standby SET default_transaction_read_only = on")
    parts = urlsplit(database.url)
    netloc = f"of_standby:{password}@{parts.netloc.rpartition('@')[2]}"
    yield parts._replace(netloc=netloc, query="target_session_attrs=any").geturl()
    await database.execute("DROP ROLE of_standby")


async def promote(database: Database) -> None:
    await database.execute("ALTER ROLE of_standby RESET default_transaction_read_only")


async def test_a_host_that_takes_no_writes_is_not_chosen(standby_url: str) -> None:
    with pytest.raises(asyncpg.InternalClientError, match="target attribute"):
        await connect(urlsplit(standby_url)._replace(query="").geturl())


async def test_a_pool_leaves_a_standby_when_it_refuses_a_write(
    database: Database, standby_url: str
) -> None:
    pool = await Database.open(standby_url, connections=2)
    async with pool.connection() as other:
        with pytest.raises(Refused):
            await pool.execute("CREATE TABLE refused ()")
        assert await other.fetchval("SELECT 1") == 1
    await promote(database)

    # Both connections are new ones.
    async with pool.connection() as one, pool.connection() as other:
        for connection in (one, other):
            assert await connection.fetchval("SHOW transaction_read_only") == "off"
    await pool.close()
