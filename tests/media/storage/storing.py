"""Storage for tests: opened with keys of one's own, filled, and asked by signed requests."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from models.storage.bucket import SignedRequest, Storage
from parley.embedded import EmbeddedServers

PNG = "image/png"


# `async with opened(page_size=2) as storage`: with settings of a test's own.
Opened = Callable[..., AbstractAsyncContextManager[Storage]]


@asynccontextmanager
async def open_at(url: str, key_id: str, secret: str, **changed: Any) -> AsyncIterator[Storage]:
    settings = {
        "endpoint_url": url,
        "public_url": None,
        "bucket": "parley",
        "region": "us-east-1",
        "access_key_id": key_id,
        "secret_access_key": secret,
    }
    opened = Storage.open(**{**settings, **changed})
    try:
        yield opened
    finally:
        await opened.close()


def open_nanio(servers: EmbeddedServers, **changed: Any) -> AbstractAsyncContextManager[Storage]:
    """Storage at the embedded endpoint."""
    return open_at(
        servers.s3_endpoint_url, servers.s3_access_key_id, servers.s3_secret_access_key, **changed
    )


async def store(
    storage: Storage, key: str, content: bytes, folder: Path, content_type: str = PNG
) -> None:
    path = folder / "stored"
    path.write_bytes(content)
    await storage.upload(path, key, content_type=content_type)


async def read(storage: Storage, key: str) -> bytes:
    """Return the whole object."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "read"
        await storage.download(key, path, most_bytes=1_000_000_000)
        return path.read_bytes()


async def send(
    http: httpx2.AsyncClient, signed: SignedRequest, content: bytes, **headers: str
) -> httpx2.Response:
    """Does what a client does with a signed request; the length is what the content has."""
    said = {name: value for name, value in signed.headers if name != "Content-Length"}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.request(signed.method, signed.url, content=content, headers=said)


async def fetch(http: httpx2.AsyncClient, url: str, **headers: str) -> httpx2.Response:
    return await http.get(url, headers=headers)
