"""The statements that may touch more than one shard: where they are, why, and how many a minute
500 API processes and 20 workers run. None of them is on the way of a send, an acknowledgement, a
page or a connection.
"""

from typing import NamedTuple


class SeveralShards(NamedTuple):
    where: str
    reason: str
    calls_a_minute: int


_OUTBOX = "models/log/outbox.py"
_SWEEPING = "models/media/sweeping.py"

SEVERAL_SHARDS = (
    SeveralShards(
        f"{_OUTBOX} list_unsettled_batches",
        "The one process that relays looks for batches that nobody settled, each second.",
        60,
    ),
    SeveralShards(
        f"{_OUTBOX} delete_settled_batches",
        "The one process that relays deletes batches that nobody needs any more, each 5 s.",
        12,
    ),
    SeveralShards(
        f"{_OUTBOX} find_oldest_unsettled_s",
        "The gauge of the oldest unsettled batch, in the one process that relays, each 5 s.",
        12,
    ),
    SeveralShards(
        f"{_OUTBOX} list_unchecked_batches",
        "Each worker looks, each second, for messages that nobody has acknowledged.",
        1_200,
    ),
    SeveralShards(
        f"{_OUTBOX} list_recent_batches",
        "A node that lost touch with Valkey offers the last 30 s to its feeds. None else.",
        0,
    ),
    SeveralShards(f"{_SWEEPING} list_unfinished", "The sweep of media, one worker each hour.", 1),
    SeveralShards(f"{_SWEEPING} list_never_used", "The sweep of media, one worker each hour.", 1),
    SeveralShards(
        f"{_SWEEPING} list_uses_to_check", "The sweep of media, one worker each hour.", 1
    ),
    SeveralShards(
        f"{_SWEEPING} list_kept_too_long", "The sweep of media, one worker each hour.", 1
    ),
    SeveralShards(
        f"{_SWEEPING} list_expected",
        "The sweep compares storage with the rows, by ranges of content ids; and a job whose file "
        "failed asks whether a row names its folder.",
        100,
    ),
    SeveralShards(
        "models/media/releases.py _let_go",
        "Whether another file has the same content, which is looked up by content: once for each "
        "file that is deleted.",
        5_000,
    ),
)
