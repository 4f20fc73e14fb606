"""Batches of one channel: which are written by the functions of one channel."""

from collections.abc import Sequence, Set

# Up to so many items cost PostgreSQL less by such a function, which has more statements, and
# lighter ones, than a function of many channels (docs/speed.md).
SHORT_BATCH = 16


def is_for_one_channel(
    channel_ids: Set[str], items: Sequence[object], *, is_distributed: bool
) -> bool:
    """Return whether a batch goes by the function of one channel: a short one of one channel, and
    each where the database is distributed.
    """
    return is_distributed or (len(channel_ids) == 1 and len(items) <= SHORT_BATCH)
