"""Retries: after which errors a batch is written again, and after which pause."""

import asyncio
import logging
import random

from models.log.group_commit.connection_slot import ConnectionSlot
from models.postgresql.database import CONNECTION_ERRORS
from models.postgresql.shards import is_of_a_moving_shard

logger = logging.getLogger("parley.commit")

# SQLSTATE classes after which a batch is written again: connection, read-only, rollback, resources,
# lock, operator.
RETRIED_CLASSES = ("08", "25", "40", "53", "55", "57")
FIRST_RETRY_PAUSE_S = 0.01
LONGEST_RETRY_PAUSE_S = 0.5


async def pause_before_retry(slot: ConnectionSlot, error: Exception, attempt: int) -> bool:
    """Return True after a pause when the batch is to be written again; False for an error of its
    data.

    The pause doubles with each `attempt` (0 for the first), from 10 ms to 0.5 s, and is shortened
    by up to half at random. A connection that broke is dropped from its slot.
    """
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, CONNECTION_ERRORS):
        slot.drop()
    elif not (state.startswith(RETRIED_CLASSES) or is_of_a_moving_shard(error)):
        return False
    logger.warning("A batch goes again after %s %s.", type(error).__name__, state)
    pause = min(LONGEST_RETRY_PAUSE_S, FIRST_RETRY_PAUSE_S * 2**attempt)
    await asyncio.sleep(pause * random.uniform(0.5, 1))
    return True
