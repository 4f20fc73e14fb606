"""A log entry as it reaches this node: decoded once, made into an event once per class of
recipient.

Classes (design.md section 5): the sender's devices; the others; those who may not see what the
entry replies to.
"""

from typing import Literal

import msgspec

from models.events import MessageAdded, Occurrence
from models.log import Entry
from models.messages import Message
from models.sends import for_sender
from models.unloaded import UNLOADED

RecipientClass = Literal["sender", "others", "reply_hidden"]


class LiveEntry:
    """An entry on this node, shared by all feeds. `fresh`: published by whoever wrote it, so nobody
    has received it.
    """

    __slots__ = ("_made", "channel_id", "entry", "fresh", "seq")

    def __init__(self, entry: Entry, *, fresh: bool) -> None:
        self.entry = entry
        self.channel_id = entry.channel_id
        self.seq = entry.seq
        self.fresh = fresh
        self._made: dict[tuple[str, str], Occurrence] = {}

    def recipient_class(self, user_id: str, joined_seq: int) -> RecipientClass:
        message = self.entry.message
        if message.sender_id == user_id:
            return "sender"
        if message.reply_to_seq is not None and message.reply_to_seq < joined_seq:
            return "reply_hidden"
        return "others"

    def for_inbox(self, user_id: str, joined_seq: int) -> Occurrence:
        kind = self.recipient_class(user_id, joined_seq)
        made = self._made.get(("inbox", kind))
        if made is None:
            entry = self.entry
            event = MessageAdded(
                entry.at, entry.channel_id, entry.seq, self._message(kind, joined_seq)
            )
            made = self._made["inbox", kind] = Occurrence(event, {})
        return made

    def for_messages(self, user_id: str, joined_seq: int) -> Occurrence:
        kind = self.recipient_class(user_id, joined_seq)
        made = self._made.get(("messages", kind))
        if made is None:
            made = self._made["messages", kind] = Occurrence(self._message(kind, joined_seq), {})
        return made

    def _message(self, kind: RecipientClass, joined_seq: int) -> Message:
        message = self.entry.message
        if kind == "others":
            return message
        if kind == "reply_hidden":
            return msgspec.structs.replace(message, reply_to=None)
        own = for_sender(message)
        if not self.fresh:
            own.status = own.delivered_count = own.read_count = own.delivered_at = own.seen_at = (
                UNLOADED
            )
        if message.reply_to_seq is not None and message.reply_to_seq < joined_seq:
            own.reply_to = None
        return own
