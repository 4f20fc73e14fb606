"""What these tests share besides the servers of all: an S3 endpoint, and an independent one."""

import contextlib
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from models.postgresql.database import Database
from models.storage.bucket import Storage
from parley.embedded import EmbeddedServers
from parley.ports import free_port
from tests.media.making import Files, files_in
from tests.media.storage.storing import Opened, open_at, open_nanio
from tests.media.studio import Studio
from tests.waiting import wait_until
from workers.media.renditions import MediaRenderer


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """The embedded endpoint; a test that stops it starts it again."""
    with EmbeddedServers(tmp_path_factory.mktemp("s3"), only=("s3",)) as servers:
        yield servers


@pytest_asyncio.fixture(scope="session")
async def storage(s3: EmbeddedServers) -> AsyncIterator[Storage]:
    async with open_nanio(s3) as opened:
        yield opened


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Another S3, which checks no signatures but knows all calls."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: server.poll() is not None or _answers(url))
        assert server.poll() is None, "moto did not start"
        # It takes any signature.
        httpx2.put(f"{url}/parley", trust_env=False).raise_for_status()
        yield url
    finally:
        server.kill()
        server.wait(60)


@pytest_asyncio.fixture(scope="session")
async def moto_storage(moto_url: str) -> AsyncIterator[Storage]:
    async with open_at(moto_url, "moto", "moto") as opened:
        yield opened


@pytest.fixture(params=["nanio", "moto"])
def endpoint(request: pytest.FixtureRequest) -> str:
    """One after the other: what both do, real S3 does."""
    name: str = request.param
    return name


@pytest.fixture
def any_storage(endpoint: str, request: pytest.FixtureRequest) -> Storage:
    name = {"nanio": "storage", "moto": "moto_storage"}[endpoint]
    found: Storage = request.getfixturevalue(name)
    return found


@pytest.fixture
def opened(endpoint: str, request: pytest.FixtureRequest) -> Opened:
    """`async with opened(page_size=2) as storage`: with settings of a test's own."""
    if endpoint == "nanio":
        return partial(open_nanio, request.getfixturevalue("s3"))
    return partial(open_at, request.getfixturevalue("moto_url"), "moto", "moto")


@pytest_asyncio.fixture(scope="session")
async def renderer() -> AsyncIterator[MediaRenderer]:
    renderer = MediaRenderer()
    yield renderer
    await renderer.close()


@pytest_asyncio.fixture
async def files(
    database: Database, storage: Storage, renderer: MediaRenderer, tmp_path: Path
) -> AsyncIterator[Files]:
    """Uploaded files, with nothing else in storage, and no jobs."""
    async with files_in(database, storage, renderer, tmp_path) as files:
        yield files


@pytest_asyncio.fixture(scope="session")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def key() -> str:
    return f"staging/{uuid.uuid4().hex}"


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError, httpx2.HTTPError):
        return httpx2.get(url, trust_env=False).status_code == 200
    return False


@pytest_asyncio.fixture(scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    """The renderer of media."""
    studio = Studio(tmp_path_factory.mktemp("studio"))
    yield studio
    await studio.close()
