"""Jobs: what a worker does later, as rows of pgqueuer's queue that commit with what they belong to.

A job runs at least once. Its payload is JSON of ids and numbers, never of what people say.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from pgqueuer.queries import Queries

from models.database import Connection

_encode = msgspec.json.Encoder().encode


async def enqueue(
    connection: Connection,
    entrypoint: str,
    payloads: Sequence[object],
    *,
    after_s: float = 0,
    dedupe_keys: Sequence[str | None] | None = None,
) -> None:
    """Queue a job of the entrypoint for each payload, in the connection's transaction.

    Jobs under a dedupe key that waits or runs already are not queued again.
    """
    if not payloads:
        return
    count = len(payloads)
    await Queries.from_asyncpg_connection(cast(Any, connection)).enqueue(
        [entrypoint] * count,
        [_encode(payload) for payload in payloads],
        [0] * count,
        [timedelta(seconds=after_s)] * count,
        list(dedupe_keys) if dedupe_keys is not None else [None] * count,
        on_conflict="skip",
    )
