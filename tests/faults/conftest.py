"""A server of two API processes, as `make serve` runs it, for all tests of what may break in it.

Each test gets it whole: whatever the last one took away is back. People, clients and checks are
those of `examples/`.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from examples.client import Api
from examples.server import RunningServer, start_server
from examples.two_people import Conversation, conversation
from parley.migrations import migrate
from parley.supervision.probes import http_status, valkey_answers
from tests.citus.cluster import SHARDS, Cluster
from tests.cluster.servers import ValkeyCluster
from tests.faults.another_api import SECRET
from tests.faults.people import new_number
from tests.waiting import eventually


@pytest_asyncio.fixture(scope="session")
async def running(
    valkey_cluster: ValkeyCluster | None, cluster: Cluster | None
) -> AsyncIterator[RunningServer]:
    environment = {"PARLEY_SECRET": SECRET}
    if cluster:
        await asyncio.to_thread(migrate, cluster.url, shards=SHARDS)
        environment["DATABASE_URL"] = cluster.url
    if valkey_cluster:
        environment["REDIS_URL"] = valkey_cluster.url
    async with start_server(environment=environment) as server:
        yield server


@pytest_asyncio.fixture
async def server(running: RunningServer, valkey_cluster: ValkeyCluster | None) -> RunningServer:
    """All of its parts answer."""

    def valkey_is_there() -> bool:
        if valkey_cluster:
            return valkey_cluster.is_whole()
        address = running.address("valkey")
        return valkey_answers(address.port or 0, address.password or "")

    await eventually(
        lambda: (
            valkey_is_there() and all(http_status(port, "/readyz") == 200 for port in running.ports)
        )
    )
    return running


@pytest_asyncio.fixture
async def apis(server: RunningServer) -> AsyncIterator[list[Api]]:
    apis = [Api(port) for port in server.ports]
    yield apis
    for api in apis:
        api.close()


@pytest_asyncio.fixture
async def talk(server: RunningServer) -> AsyncIterator[Conversation]:
    """Two people, each at a process of their own, and the chat that they have open."""
    async with conversation(server, new_number(), new_number()) as talk:
        yield talk
