"""boto3's client of S3: how it is configured, the bucket that it works on, and files that it
sends.
"""

import threading
from collections.abc import Callable, Collection
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError

from models.refusals import Refused
from models.storage.calls import MISSING, Calls, code_of
from models.storage.keys import AccessKeys

Value = TypeVar("Value")

# Storage may be silent for long while it moves bytes.
PATIENT = frozenset({"copy_object", "complete_multipart_upload"})
# Copying and joining parts take storage long where it moves the bytes (2 GB).
MOVE_S = 180.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class StoredObject(msgspec.Struct, frozen=True):
    """What storage says of an object; the etag changes with the bytes."""

    byte_size: int
    content_type: str
    etag: str


class S3Client:
    """A client that is made by the thread that first needs it, since making it reads large files
    and may ask the network for keys.
    """

    def __init__(
        self,
        keys: AccessKeys,
        *,
        endpoint_url: str | None,
        region: str,
        connections: int,
    ) -> None:
        self._keys = keys
        self._endpoint_url = endpoint_url
        self._region = region
        self._connections = connections
        self._making = threading.Lock()
        self._made: tuple[Any, Any] | None = None

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of boto3, with more patience for those that move bytes; blocks."""
        quick, patient = self._clients()
        return getattr(patient if method in PATIENT else quick, method)(**arguments)

    def prepare(self) -> None:
        """Make what is made once: some tenths of a second of work; blocks."""
        self._clients()

    def close(self) -> None:
        for client in self._made or ():
            client.close()

    def _clients(self) -> tuple[Any, Any]:
        with self._making:
            if self._made is None:
                self._made = (self._make(read_timeout_s=10), self._make(read_timeout_s=60))
            return self._made

    def _make(self, *, read_timeout_s: int) -> Any:
        endpoint = self._endpoint_url
        config = Config(
            signature_version="s3v4",
            connect_timeout=2,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=self._connections,
            # Newer checksums, which others than Amazon often do not know.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Settings say where storage is, AWS_ENDPOINT_URL does not.
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]
            # A proxy of the environment leads to Amazon, never to this machine.
            proxies={} if endpoint and urlsplit(endpoint).hostname in LOOPBACK else None,
            s3={
                "addressing_style": "path" if endpoint else "auto",
                "us_east_1_regional_endpoint": "regional",
            },
        )
        return self._keys.session.client(
            "s3", endpoint_url=endpoint, region_name=self._region, config=config
        )


class Bucket:
    """Calls on one bucket: `ask` for what answers soon, `call` within a thread's longer work."""

    def __init__(self, name: str, calls: Calls, client: S3Client, deadline_s: float) -> None:
        self.name = name
        self._calls = calls
        self._client = client
        self._deadline_s = deadline_s

    def call(self, method: str, expecting: Collection[str] = (), **arguments: Any) -> Any:
        """Return the answer, or the code of an error that is expected; blocks."""
        try:
            return self._client.call(method, Bucket=self.name, **arguments)
        except ClientError as error:
            if (code := code_of(error)) in expecting:
                return code
            raise

    async def prepare(self) -> None:
        """Do what is this process's own work, so that it does not count as storage's silence."""
        await self.run(self._client.prepare)

    async def run(self, call: Callable[[], Value], *, deadline_s: float | None = None) -> Value:
        """Make a call in a thread, within the bucket's deadline or another one."""
        return await self._calls.run(call, deadline_s=deadline_s or self._deadline_s)

    async def ask(
        self,
        method: str,
        *,
        expecting: Collection[str] = (),
        deadline_s: float | None = None,
        **arguments: Any,
    ) -> Any:
        """Call a method of boto3 in a thread. Return its answer, or the code of an error that is
        expected.
        """
        return await self.run(
            lambda: self.call(method, expecting, **arguments), deadline_s=deadline_s
        )

    async def find(self, key: str) -> StoredObject | None:
        """Return what storage says of the object; None when there is none.

        Raises:
            Refused: UNAVAILABLE, also where there is no such bucket.
        """
        found = await self.ask("head_object", expecting=MISSING, Key=key)
        if isinstance(found, str):
            # The answer to HEAD does not tell a missing object from a missing bucket.
            await self.require()
            return None
        content_type = found.get("ContentType", "")
        return StoredObject(found["ContentLength"], content_type, found["ETag"].strip('"'))

    async def require(self, *, deadline_s: float | None = None) -> None:
        """Require that the bucket exists.

        Raises:
            Refused: UNAVAILABLE when it does not, or storage is away.
        """
        found = await self.ask("head_bucket", expecting=MISSING, deadline_s=deadline_s)
        if isinstance(found, str):
            raise self.refusal("NoSuchBucket")

    def refusal(self, why: str) -> Refused:
        return self._calls.refusal(why)

    def close(self) -> None:
        self._calls.close()
        self._client.close()


class StoppableFile(FileIO):
    """A file to send, whose reading fails once `stopped` is set."""

    def __init__(self, path: Path, stopped: threading.Event) -> None:
        super().__init__(path)
        self._stopped = stopped

    def read(self, size: int | None = -1) -> bytes:
        if self._stopped.is_set():
            raise OSError("nobody waits for this any more")
        return super().read(-1 if size is None else size)


def bucket_url(endpoint_url: str | None, bucket: str, region: str) -> str:
    """Return the address below which the bucket's objects are: in the path of an endpoint, or in
    the host of Amazon's where a certificate covers it.
    """
    if endpoint_url:
        return f"{endpoint_url.rstrip('/')}/{bucket}"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if "." in bucket:
        return f"https://s3.{region}.{domain}/{bucket}"
    return f"https://{bucket}.s3.{region}.{domain}"
