"""Signals: what has no place in a log, on its way to the open streams of those it concerns.

A signal is a hint and may be lost; after a repair clients fetch again. What has a value of its own
(a viewer's state) is not in the signal: the receiving node reads it, so that two changes cannot
arrive reversed.
"""

from datetime import datetime
from typing import Literal

import msgspec

from models.channel_kinds import ChannelKind

# Signals of one channel that can be followed by themselves.
SignalKind = Literal["receipts", "typing"]


class ViewerChannelChanged(msgspec.Struct, tag="viewer_channel", frozen=True):
    """Positions or mute of the recipient changed in a channel."""

    channel_id: str


class ViewerChanged(msgspec.Struct, tag="viewer", frozen=True):
    """The recipient's profile, privacy, blocks or devices changed."""


class ReceiptMoved(msgspec.Struct, tag="receipt", frozen=True):
    """A member's positions now cover more of the recipient's messages."""

    channel_id: str
    user_id: str
    delivered_seq: int
    read_seq: int
    at: datetime
    # What the channel is; None from a node of before.
    kind: ChannelKind | None = None


class Typed(msgspec.Struct, tag="typing", frozen=True):
    """A member types, or no longer."""

    channel_id: str
    user_id: str
    typing: bool
    at: datetime
    expires_at: datetime
    kind: ChannelKind | None = None


class PresenceChanged(msgspec.Struct, tag="presence", frozen=True):
    """The users named (not recipients, here) may be seen otherwise than before: online, last seen,
    or by whom.
    """


Signal = ViewerChannelChanged | ViewerChanged | ReceiptMoved | Typed | PresenceChanged


class Signalled(msgspec.Struct):
    """One signal and those it is for."""

    signal: Signal
    user_ids: list[str]
