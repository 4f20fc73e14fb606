"""Calls that block, made in a few threads with a deadline, and the refusals that their errors
become.

When a caller goes away, a call that has not begun is dropped, and one that runs ends by its own
time-outs. The threads are daemons: no call holds up the end of the process.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from models.refusals import Refused, not_found, unavailable

logger = logging.getLogger("parley.storage")

Value = TypeVar("Value")

MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
# What only the operator can mend: bucket, region, access key, rights or clock are wrong.
OPERATORS = frozenset(
    {
        "301",
        "400",
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidToken",
        "MissingAuthenticationToken",
        "NoSuchBucket",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
# The same complaint again only after this long.
TELL_AGAIN_S = 600


class Calls:
    """Runs calls of boto3 in threads. At most `most` may wait or run; more are refused at once."""

    def __init__(self, *, threads: int = 8, most: int = 200) -> None:
        self._most = most
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._under_way: set[Future[Any]] = set()
        self._told: dict[str, float] = {}
        self._threads = threads
        for number in range(threads):
            name = f"storage {number + 1}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, call: Callable[[], Value]) -> "Future[Value]":
        """Queue the call for a thread. Return its future."""
        future: Future[Value] = Future()
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        self._waiting.put(lambda: _run(future, call))
        return future

    async def run(self, call: Callable[[], Value], *, deadline_s: float) -> Value:
        """Make the call in a thread and return its result.

        Raises:
            Refused: NOT_FOUND where the object is not there, UNAVAILABLE for whatever else storage
                says or does not say in time.
        """
        if len(self._under_way) >= self._most:
            raise unavailable()
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.wrap_future(self.submit(call))
        except TimeoutError:
            raise self.refusal("no answer in time") from None
        except (ClientError, BotoCoreError) as error:
            # Without its cause, whose text may hold a key.
            raise self.refusal_of(error) from None

    def refusal_of(self, error: ClientError | BotoCoreError) -> Refused:
        """Return the refusal that an error of boto3 becomes: NOT_FOUND or UNAVAILABLE."""
        code = code_of(error)
        if code in MISSING:
            return not_found("The file is not in storage.")
        return self.refusal(code)

    def refusal(self, why: str) -> Refused:
        """Return UNAVAILABLE, and log the reason, once in `TELL_AGAIN_S` seconds."""
        now = time.monotonic()
        if now - self._told.get(why, -TELL_AGAIN_S) >= TELL_AGAIN_S:
            self._told[why] = now
            if why in OPERATORS or why == NoCredentialsError.__name__:
                logger.error(
                    "storage refuses this server: check S3_BUCKET, AWS_REGION, the access key and "
                    "what it may do, and the clock",
                    extra={"why": why},
                )
            else:
                logger.warning("storage does not do what it is asked", extra={"why": why})
        return unavailable()

    def close(self) -> None:
        """End the threads once the calls that wait are done."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _work(self) -> None:
        while (step := self._waiting.get()) is not None:
            step()


def code_of(error: ClientError | BotoCoreError) -> str:
    """Return S3's code (for a HEAD the status), or the class of the error that kept it from
    answering.
    """
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "without a code"))[:64]
    return type(error).__name__


def _run(future: "Future[Value]", call: Callable[[], Value]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(value)
