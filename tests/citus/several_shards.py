"""The statements that may touch more than one shard: where they are, why, and how many a minute
500 processes run. None of them is on the way of a send, an acknowledgement, a page or a connection.
"""

from typing import NamedTuple


class Exception_(NamedTuple):
    where: str
    reason: str
    calls_a_minute: int


SEVERAL_SHARDS: tuple[Exception_, ...] = ()
