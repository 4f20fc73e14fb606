"""Events: what reaches a viewer's open streams: the events of the inbox, and an occurrence of one
for a class of recipients.
"""

from collections.abc import Hashable
from datetime import datetime
from typing import Any

import msgspec

from models.channel_kinds import ChannelKind
from models.channels.channels import GroupFacts
from models.close_codes import CloseCode
from models.log.entries import Change
from models.log.streams.cursors import StreamPlace
from models.messages.messages import Message
from models.users.users import User


class MessageAdded(msgspec.Struct, frozen=True):
    at: datetime
    channel_id: str
    seq: int
    message: Message


class MessageUpdated(msgspec.Struct, frozen=True):
    at: datetime
    channel_id: str
    seq: int
    change: Change
    message: Message


class ChannelUpdated(msgspec.Struct, frozen=True):
    """A notice changed the channel. `gone` is true when it takes its recipient out, who does not
    see the channel any more.
    """

    at: datetime
    channel_id: str
    seq: int
    message: Message
    gone: bool
    # What everybody sees alike of the channel as it is at this entry; None when it has gone on.
    facts: GroupFacts | None


class LogAdvanced(msgspec.Struct, frozen=True):
    """A change to something that its recipient may not see; only moves the position."""

    at: datetime
    channel_id: str
    seq: int


class ReceiptUpdated(msgspec.Struct, frozen=True):
    at: datetime
    channel_id: str
    user_id: str
    delivered_seq: int
    read_seq: int
    # None where the node that told did not say so.
    kind: ChannelKind | None = None


class TypingUpdated(msgspec.Struct, frozen=True):
    at: datetime
    channel_id: str
    user_id: str
    typing: bool
    expires_at: datetime
    kind: ChannelKind | None = None


class ViewerChannelUpdated(msgspec.Struct, frozen=True):
    """The viewer's own state in a channel, whole, as it was read."""

    at: datetime
    channel_id: str
    user_id: str
    delivered_seq: int
    read_seq: int
    unread_count: int
    last_seq: int
    muted_until: datetime | None
    kind: ChannelKind


class ViewerUpdated(msgspec.Struct, frozen=True):
    at: datetime
    viewer: User


class InboxReady(msgspec.Struct, frozen=True):
    """Everything that was missed has been sent. It is sent again after a loss was repaired."""

    at: datetime
    replayed: int
    place: StreamPlace


class InboxProgress(msgspec.Struct, frozen=True):
    """Everything up to the place has been sent."""

    at: datetime
    place: StreamPlace


class ResyncRequired(msgspec.Struct, frozen=True):
    """What was missed is too much, or the position is not one of this membership; go on from
    `seq`.
    """

    at: datetime
    channel_id: str
    seq: int


class SessionExpiring(msgspec.Struct, frozen=True):
    at: datetime
    expires_at: datetime


class Occurrence(msgspec.Struct):
    """Something that happened, for one class of recipients.

    `value` is what the subscription's root field gives. `renderings` holds the texts that everybody
    of the class shares, by operation; None where nothing is shared.
    """

    value: Any
    renderings: dict[Hashable, str] | None = None


class StreamCut(Exception):
    """End the stream without completing it: the client is to come back and resume by position."""

    def __init__(self, close_code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.close_code = close_code
        self.reason = reason


class TooFarBehind(Exception):
    """More was missed than is replayed, or the position is not one of this membership: fetch, and
    follow from there.
    """

    code = "RESYNC_REQUIRED"
