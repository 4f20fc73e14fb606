"""What tests share: one embedded PostgreSQL, Valkey and S3 for the run, migrated once, with empty
tables for each test; the app on two nodes, under the server that ships; and people to use it.

Tests, nodes and clients share one event loop, of the kind that serves.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from models.limits.limits import Limits
from models.log.committer import Committer
from models.postgresql.database import Database
from models.storage.bucket import Storage
from models.tokens import Tokens
from parley.embedded import EmbeddedServers
from parley.migrations import migrate
from parley.opening import open_storage
from parley.ports import free_port
from parley.server import spare_collections
from parley.settings import DEVELOPMENT_LIMITS, Settings
from parley.supervision.part import start_and_wait
from tests.citus.building import build
from tests.citus.cluster import SHARDS, Cluster, Emptying
from tests.citus.recording import Recording
from tests.cluster.servers import ValkeyCluster
from tests.emptying import empty
from tests.make import AnotherDevice, MakePerson, Person, make_device, make_person
from tests.postgresql import InstalledPostgreSQL
from tests.serving import PATIENCE, ServedWith, Server, serve

SECRET = "a secret of the tests, of no use anywhere else"
ALLOWED_ORIGIN = "https://chat.example"
CITUS_TESTS = Path(__file__).with_name("citus")
CLUSTER_TESTS = Path(__file__).with_name("cluster")
# Fixtures that open one Valkey, to look at its keys or to empty it; and tests that kill one.
OF_ONE_VALKEY = {"valkey", "nodes_valkey"}
KILL_ONE_VALKEY = (
    "faults/test_valkey.py",
    "faults/test_silence.py",
    "faults/test_revocations.py",
)
# What compares with functions that one PostgreSQL alone runs.
ONE_POSTGRESQL_TESTS = Path(__file__).parent / "database/test_channel_functions.py"


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--citus",
        action="store_true",
        help="run on PostgreSQL distributed by Citus (make test-citus)",
    )
    parser.addoption(
        "--postgresql",
        metavar="FOLDER",
        type=Path,
        help="run on the PostgreSQL that is installed there, in place of the wheel's",
    )
    parser.addoption(
        "--cluster",
        action="store_true",
        help="run on a cluster of Valkey (make test-cluster)",
    )
    parser.addoption(
        "--statements",
        default=".pytest_cache/statements",
        help="the folder where tests on Citus record the statements that the app runs",
    )
    parser.addoption(
        "--record", action="store_true", help="record the statements that the app runs"
    )


@pytest.fixture(scope="session", autouse=True)
def recorded(pytestconfig: pytest.Config, worker_id: str) -> Iterator[None]:
    """Record the statements of the whole run, if that is asked for."""
    if not pytestconfig.getoption("--record"):
        yield
        return
    recording = Recording()
    recording.install()
    yield
    recording.store(Path(pytestconfig.getoption("--statements")), worker_id)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests of Citus and of a Valkey cluster out, unless it is there; on Citus, what only
    one PostgreSQL runs.
    """
    left_out = {
        CITUS_TESTS: not config.getoption("--citus"),
        ONE_POSTGRESQL_TESTS: config.getoption("--citus"),
        CLUSTER_TESTS: not config.getoption("--cluster"),
    }
    return True if left_out.get(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a cluster, leave out what is about one Valkey; tests/cluster has the like of it."""
    if not config.getoption("--cluster"):
        return
    of_one = [
        item
        for item in items
        if OF_ONE_VALKEY & set(getattr(item, "fixturenames", ()))
        or item.path.as_posix().endswith(KILL_ONE_VALKEY)
    ]
    config.hook.pytest_deselected(items=of_one)
    items[:] = [item for item in items if item not in of_one]


def pytest_collection_finish() -> None:
    spare_collections()


# -------------------------------------------------------------------- servers and database


@pytest.fixture(scope="session")
def cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster | None]:
    """Citus, where the tests run on it."""
    if not pytestconfig.getoption("--citus"):
        yield None
        return
    with Cluster(tmp_path_factory.mktemp("citus"), build()) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def installed(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InstalledPostgreSQL | None]:
    """Another PostgreSQL than the wheel's, where the tests run on that."""
    folder: Path | None = pytestconfig.getoption("--postgresql")
    if folder is None:
        yield None
        return
    postgresql = InstalledPostgreSQL(tmp_path_factory.mktemp("postgresql"), folder)
    start_and_wait([postgresql])
    yield postgresql
    postgresql.stop()


@pytest.fixture(scope="session")
def valkey_cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ValkeyCluster | None]:
    """Three primaries of Valkey and their replicas, where the tests run on them."""
    if not pytestconfig.getoption("--cluster"):
        yield None
        return
    with ValkeyCluster(tmp_path_factory.mktemp("valkeys")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def embedded(
    cluster: Cluster | None,
    installed: InstalledPostgreSQL | None,
    valkey_cluster: ValkeyCluster | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[EmbeddedServers]:
    folder = tmp_path_factory.mktemp("servers")
    other = cluster or installed
    given = Settings(
        database_url=other.url if other else None,
        redis_url=valkey_cluster.url if valkey_cluster else None,
    )
    with EmbeddedServers(folder, settings=given, durable=False) as servers:
        migrate(servers.database_url, shards=SHARDS)
        yield servers


@pytest.fixture(scope="session")
def database_url(embedded: EmbeddedServers) -> str:
    return embedded.database_url


@pytest.fixture
def postgresql_pid(
    embedded: EmbeddedServers, cluster: Cluster | None, installed: InstalledPostgreSQL | None
) -> int:
    other = cluster or installed
    return embedded.pid("postgresql") if other is None else other.pid or 0


@pytest_asyncio.fixture(scope="session")
async def pools(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    async def opened() -> Database:
        pool = await Database.open(database_url, statement_timeout_s=60, connection_wait_s=60)
        pool.queue_wait_s = 60
        return pool

    one, two = await opened(), await opened()
    yield one, two
    await one.close()
    await two.close()


@pytest_asyncio.fixture(scope="session")
async def emptying(cluster: Cluster | None) -> AsyncIterator[Emptying | None]:
    """Empties the tables that are on workers."""
    if cluster is None:
        yield None
        return
    emptying = await Emptying.open(cluster)
    yield emptying
    await emptying.close()


@pytest_asyncio.fixture
async def database(pools: tuple[Database, Database], emptying: Emptying | None) -> Database:
    """One process's database, with empty tables."""
    await empty(pools[0], emptying)
    return pools[0]


@pytest.fixture
def other_database(database: Database, pools: tuple[Database, Database]) -> Database:
    """The same database as another process has it."""
    return pools[1]


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def tokens(limits: Limits) -> Tokens:
    return Tokens(SECRET, limits)


# -------------------------------------------------------------------- the app


@pytest.fixture(scope="session")
def settings(embedded: EmbeddedServers) -> Settings:
    """Those of `make serve`, but for the ports. Settings of a test's own are `replace`d from it."""
    return Settings(
        environment="development",
        port=0,
        database_url=embedded.database_url,
        redis_url=embedded.redis_url,
        s3_endpoint_url=embedded.s3_endpoint_url,
        aws_access_key_id=embedded.s3_access_key_id,
        aws_secret_access_key=embedded.s3_secret_access_key,
        secret=SECRET,
        # So that hardly ever a new one begins between two looks at an address.
        media_url_ttl_s=7 * 86_400,
        limits=replace(DEVELOPMENT_LIMITS, **PATIENCE),
    )


@pytest_asyncio.fixture(scope="session")
async def nodes(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    async with serve(settings) as one, serve(settings) as other:
        yield one, other


@pytest.fixture
def server(database: Database, nodes: tuple[Server, Server]) -> Server:
    """A node, with empty tables."""
    return nodes[0]


@pytest.fixture
def other_server(server: Server, nodes: tuple[Server, Server]) -> Server:
    """Another node on the same servers."""
    return nodes[1]


@pytest.fixture
def served_with(server: Server, settings: Settings) -> ServedWith:
    """`async with served_with(access_token_ttl_s=3) as server`: a node with limits of its own."""

    def served(
        *, connections: int = settings.database_connections, **limits: Any
    ) -> AbstractAsyncContextManager[Server]:
        changed = replace(
            settings,
            database_connections=connections,
            limits=replace(settings.limits, **limits),
        )
        return serve(changed)

    return served


@pytest_asyncio.fixture(scope="session")
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    """What the nodes store media in."""
    storage = open_storage(settings)
    yield storage
    await storage.close()


@pytest_asyncio.fixture
async def away(server: Server, settings: Settings) -> AsyncIterator[Server]:
    """A node that cannot reach storage."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with serve(replace(settings, s3_endpoint_url=nowhere)) as node:
        yield node


@pytest_asyncio.fixture(scope="session")
async def guarded_node(settings: Settings) -> AsyncIterator[Server]:
    async with serve(replace(settings, allowed_origins=(ALLOWED_ORIGIN,))) as node:
        yield node


@pytest.fixture
def guarded(server: Server, guarded_node: Server) -> Server:
    """A node that lets the pages of one more origin ask."""
    return guarded_node


# -------------------------------------------------------------------- people


@pytest.fixture
def person(server: Server, database: Database, tokens: Tokens) -> MakePerson:
    """Makes more people: `await person("Dora")`."""

    async def make(name: str) -> Person:
        return await make_person(server, database, tokens, name)

    return make


@pytest.fixture
def another_device(database: Database, tokens: Tokens) -> AnotherDevice:
    """Signs somebody in once more: `await another_device(bob)`."""

    async def make(person: Person) -> Person:
        return await make_device(person.server, database, tokens, person.user, person.number)

    return make


@pytest_asyncio.fixture
async def alice(person: MakePerson) -> Person:
    return await person("Alice")


@pytest_asyncio.fixture
async def bob(person: MakePerson) -> Person:
    return await person("Bob")


@pytest_asyncio.fixture
async def carol(person: MakePerson) -> Person:
    """Somebody else: a stranger to Alice and Bob."""
    return await person("Carol")


@pytest_asyncio.fixture
async def chat(alice: Person, bob: Person) -> str:
    """The id of Alice's and Bob's chat."""
    return await alice.open_chat(bob)


@pytest_asyncio.fixture(scope="session")
async def committer(pools: tuple[Database, Database]) -> AsyncIterator[Committer]:
    """Writes long histories; what it writes is dispatched by relays."""
    committer = Committer(
        pools[0].url,
        lambda batch: None,
        is_distributed=pools[0].is_distributed,
        deadline_s=PATIENCE["commit_deadline_s"],
    )
    committer.start()
    yield committer
    await committer.close()
