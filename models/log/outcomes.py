"""Outcomes: the numbers by which SQL functions say what became of a draft or a move.

`tests/database/log/test_outcomes.py` holds them equal to the files in `models/sql`.
"""

from enum import IntEnum


class AppendOutcome(IntEnum):
    """What `append_messages` or `append_channel_v1` did with one draft."""

    APPENDED = 1
    # The same draft is stored already.
    REPEATED = 2
    # The client's id belongs to another draft.
    CONFLICTING = 3
    # There is no such channel for this sender.
    NO_SUCH_CHANNEL = 4
    # Somebody else holds the channel's row.
    BUSY = 5
    # The message that it replies to is not there for this sender.
    NO_SUCH_ORIGINAL = 6
    # Somebody whom it mentions is not a member.
    MENTIONS_STRANGER = 7
    # One of a chat blocks the other.
    BLOCKED = 8


class MoveOutcome(IntEnum):
    """What `advance_positions` or `advance_channel_v1` did with one move."""

    IN_FORCE = 1
    NOT_A_MEMBER = 4
    # Somebody else holds the member's row.
    BUSY = 5
