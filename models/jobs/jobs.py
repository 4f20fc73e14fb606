"""Jobs: what a worker does later, as rows of pgqueuer's queue that commit with what they belong to.

A job runs at least once. Its payload is JSON of ids and numbers, never of what people say.

A job may have an owner: kinds that are registered so take their owners' jobs in turn. The row keeps
a number of the owner as pgqueuer's `priority`, by which an index of pgqueuer's finds the next one;
nothing is taken earlier for it.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from pgqueuer.queries import Queries

from models.database import Connection

# The highest number of an owner; there is one above it, for a column of four bytes.
LAST_TURN = 2**31 - 2
_encode = msgspec.json.Encoder().encode


async def enqueue(
    connection: Connection,
    entrypoint: str,
    payloads: Sequence[object],
    *,
    after_s: float = 0,
    dedupe_keys: Sequence[str | None] | None = None,
    owner_id: str | None = None,
) -> None:
    """Queue a job of the entrypoint for each payload, in the connection's transaction.

    Jobs under a dedupe key that waits or runs already are not queued again. `owner_id` is whose
    they all are.
    """
    if not payloads:
        return
    count = len(payloads)
    await Queries.from_asyncpg_connection(cast(Any, connection)).enqueue(
        [entrypoint] * count,
        [_encode(payload) for payload in payloads],
        [0 if owner_id is None else turn_of(owner_id)] * count,
        [timedelta(seconds=after_s)] * count,
        list(dedupe_keys) if dedupe_keys is not None else [None] * count,
        on_conflict="skip",
    )


def turn_of(owner_id: str) -> int:
    """The owner's number, from 1 to `LAST_TURN`. Two owners of one number share their turns."""
    digest = hashlib.blake2b(owner_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % LAST_TURN + 1
