"""Storage: the bucket of S3 (or of a server that speaks like it) in which all media is kept.

- Clients reach storage by signed requests, each good for one key, method, type and size.
- Every call refuses with UNAVAILABLE while storage is away, slow or wrongly set up, within a
  deadline, and is safe to cancel.
- No key reaches a log.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from models.refusals import RefusalCode, Refused, invalid
from models.storage.calls import MISSING, Calls
from models.storage.client import MOVE_S, Bucket, S3Client, StoppableFile, StoredObject, bucket_url
from models.storage.keys import AccessKeys
from models.storage.parts import PartsUploads
from models.storage.signing import Signer

Value = TypeVar("Value")

THREADS = 8
# One try is over sooner (2 s to connect, 10 s without a byte); this is for all tries, and for
# waiting for a thread.
DEADLINE_S = 12.0
READY_S = 3.0
# Moving bytes ourselves: 2 GB at 2 MB/s. A transfer that stands still ends after 10 s.
TRANSFER_S = 1000.0
CHUNK_BYTES = 256 * 1024
# What S3 lists, and deletes, in one call at most.
PAGE_SIZE = 1000
# What is under a key never changes. Not `private`: a CDN in front should keep it.
FOR_EVER = "max-age=31536000, immutable"


class SignedRequest(msgspec.Struct, frozen=True):
    """A request that a client may make of storage, with exactly this method, address and these
    headers.
    """

    method: str
    url: str
    headers: list[tuple[str, str]]


class Storage:
    """One bucket. Its keys are made by the server: no name that a client gave is in one."""

    def __init__(self, bucket: Bucket, keys: AccessKeys, signer: Signer, *, page_size: int) -> None:
        self.signer = signer
        self._keys = keys
        self._bucket = bucket
        self._page_size = page_size
        self.parts = PartsUploads(bucket, page_size=page_size)

    @classmethod
    def open(
        cls,
        *,
        endpoint_url: str | None,
        public_url: str | None,
        bucket: str,
        region: str,
        access_key_id: str | None,
        secret_access_key: str | None,
        session_token: str | None = None,
        deadline_s: float = DEADLINE_S,
        page_size: int = PAGE_SIZE,
    ) -> "Storage":
        """Open the bucket, without any request to it. Without an endpoint it is Amazon's S3;
        `public_url` is where clients reach the endpoint, when that is elsewhere. Without keys,
        boto3's credential chain finds them, and signing refuses until it has: call `ready` first.
        """
        calls = Calls(threads=THREADS)
        keys = AccessKeys.open(
            calls.submit,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
        )
        signer = Signer(
            base_url=bucket_url(public_url or endpoint_url, bucket, region),
            region=region,
            find_access_key=keys.current,
        )
        client = S3Client(keys, endpoint_url=endpoint_url, region=region, connections=THREADS)
        return cls(Bucket(bucket, calls, client, deadline_s), keys, signer, page_size=page_size)

    # ---------------------------------------------------------------- signed requests

    def sign_put(self, key: str, *, content_type: str, byte_size: int, ttl_s: int) -> SignedRequest:
        """Sign an upload in one piece, of exactly this type and size.

        Raises:
            Refused: INVALID_INPUT where the type can be no header.
        """
        if not content_type.isascii() or not content_type.isprintable():
            raise invalid("A content type is printable ASCII.", "contentType")
        content_type = " ".join(content_type.split())
        headers = [("Content-Type", content_type), ("Content-Length", str(byte_size))]
        return self._sign_upload(key, headers, ttl_s)

    def sign_part(
        self, key: str, parts_id: str, number: int, *, byte_size: int, ttl_s: int
    ) -> SignedRequest:
        """Sign the upload of one part, numbered from 1. All parts but the last must have 5 MiB or
        more.
        """
        query = [("partNumber", str(number)), ("uploadId", parts_id)]
        return self._sign_upload(key, [("Content-Length", str(byte_size))], ttl_s, query)

    def _sign_upload(
        self,
        key: str,
        headers: list[tuple[str, str]],
        ttl_s: int,
        query: Iterable[tuple[str, str]] = (),
    ) -> SignedRequest:
        signed = [(name.lower(), value) for name, value in headers]
        url = self.signer.sign("PUT", key, ttl_s=ttl_s, query=query, headers=signed)
        return SignedRequest("PUT", url, headers)

    # ---------------------------------------------------------------- objects

    async def find(self, key: str) -> StoredObject | None:
        """Return what storage says of the object; None when there is none."""
        return await self._bucket.find(key)

    async def copy(
        self,
        source: str,
        target: str,
        *,
        content_type: str,
        disposition: str | None,
        cache_control: str = FOR_EVER,
        if_etag: str | None = None,
    ) -> None:
        """Copy an object within storage, up to 5 GB. The copy has these headers, not those of the
        source.

        Raises:
            Refused: NOT_FOUND without the source, CONFLICT when its etag is not `if_etag`.
        """
        done = await self._bucket.ask(
            "copy_object",
            expecting=("PreconditionFailed", "412"),
            deadline_s=MOVE_S,
            Key=target,
            CopySource={"Bucket": self._bucket.name, "Key": source},
            MetadataDirective="REPLACE",
            **_headers(content_type, disposition, cache_control),
            **({"CopySourceIfMatch": f'"{if_etag}"'} if if_etag else {}),
        )
        if isinstance(done, str):
            raise Refused(RefusalCode.CONFLICT, "The file has changed in storage.")

    async def download(self, key: str, path: Path, *, most_bytes: int) -> None:
        """Download an object into a file. When this fails, no file is left.

        Raises:
            Refused: NOT_FOUND; TOO_LARGE above `most_bytes`.
            OSError: the file cannot be written.
        """
        stopped = threading.Event()

        def fetch() -> None:
            found = self._bucket.call("get_object", Key=key)
            with closing(found["Body"]) as body, path.open("wb") as file:
                left = most_bytes
                while not stopped.is_set() and (chunk := body.read(CHUNK_BYTES)):
                    left -= len(chunk)
                    if left < 0:
                        raise Refused(RefusalCode.TOO_LARGE, "The file is too large.")
                    file.write(chunk)

        await self._transfer(_or_without(path, fetch, stopped), stopped)

    async def upload(
        self,
        path: Path,
        key: str,
        *,
        content_type: str,
        disposition: str | None = None,
        cache_control: str = FOR_EVER,
    ) -> None:
        """Upload a file of up to 5 GB.

        Raises:
            OSError: the file cannot be read.
        """
        headers = _headers(content_type, disposition, cache_control)
        stopped = threading.Event()

        def send() -> None:
            with StoppableFile(path, stopped) as body:
                self._bucket.call("put_object", Key=key, Body=body, **headers)

        await self._transfer(send, stopped)

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete these objects. Keys that do not exist are skipped."""
        named = [{"Key": key} for key in keys]
        for start in range(0, len(named), PAGE_SIZE):
            batch = {"Objects": named[start : start + PAGE_SIZE], "Quiet": True}
            answer = await self._bucket.ask("delete_objects", Delete=batch)
            kept = {error["Code"] for error in answer.get("Errors", ())} - MISSING
            if kept:
                raise self._bucket.refusal(min(kept))

    async def list_keys(self, prefix: str) -> AsyncIterator[tuple[str, datetime, int]]:
        """Yield the key, the time of the last change and the bytes of each object under a
        prefix.
        """
        after: dict[str, Any] = {}
        while True:
            page = await self._bucket.ask(
                "list_objects_v2", Prefix=prefix, MaxKeys=self._page_size, **after
            )
            for found in page.get("Contents", ()):
                yield found["Key"], found["LastModified"], found["Size"]
            if not page.get("IsTruncated"):
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    # ---------------------------------------------------------------- the whole

    async def ready(self) -> bool:
        """Find the key by which requests are signed, and return whether the bucket answers."""
        try:
            await self._bucket.prepare()
            await self._bucket.run(self._keys.ask, deadline_s=READY_S)
            await self._bucket.require(deadline_s=READY_S)
        except Refused:
            return False
        return True

    async def close(self) -> None:
        """Close the bucket. Calls that run are not waited for, and end by their own time-outs."""
        self._bucket.close()

    async def _transfer(self, call: Callable[[], Value], stopped: threading.Event) -> Value:
        """Make a call that ends soon after its caller has gone."""
        try:
            return await self._bucket.run(call, deadline_s=TRANSFER_S)
        except (Refused, asyncio.CancelledError):
            stopped.set()
            raise


def _headers(content_type: str, disposition: str | None, cache_control: str) -> dict[str, str]:
    given = {"ContentType": content_type, "CacheControl": cache_control}
    return given | ({"ContentDisposition": disposition} if disposition else {})


def _or_without(
    path: Path, call: Callable[[], None], stopped: threading.Event
) -> Callable[[], None]:
    """Return the call, changed so that it deletes the half of a file that it leaves when it
    fails.
    """

    def run() -> None:
        try:
            call()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if stopped.is_set():
            path.unlink(missing_ok=True)

    return run
