"""Live entries: a log entry as it reaches this node. It is decoded once, and made into an event
once for each class of recipients.

Classes: the sender's devices; the others; those who may not see what the
entry refers to; those whom it takes out. *The sender* is that of the entry's message, not who
changed it.
"""

from typing import Any, Literal

import msgspec

from models.log.entries import Entry
from models.log.events import ChannelUpdated, LogAdvanced, MessageAdded, MessageUpdated, Occurrence
from models.messages.messages import Message, for_sender, leave_fate_unread

RecipientClass = Literal["sender", "others", "reply_hidden", "sender_reply_hidden", "hidden", "out"]


class LiveEntry:
    """Hold an entry for all feeds of this node. It is `fresh` when the process that wrote it has
    published it: then nobody has received it yet.
    """

    __slots__ = ("_made", "channel_id", "entry", "fresh", "seq")

    def __init__(self, entry: Entry, *, fresh: bool) -> None:
        self.entry = entry
        self.channel_id = entry.channel_id
        self.seq = entry.seq
        self.fresh = fresh and entry.change is None
        self._made: dict[tuple[str, str], Occurrence] = {}
        # Any recipient may have sent what it replies to: that is looked at when it is asked for.
        if isinstance(entry.message.reply_to, Message):
            leave_fate_unread(entry.message.reply_to)

    def takes_out(self, user_id: str) -> bool:
        return user_id in self.entry.takes_out

    @property
    def is_message(self) -> bool:
        """Return True if the entry adds a message, False if it changes one."""
        return self.entry.change is None

    def recipient_class(self, user_id: str, joined_seq: int) -> RecipientClass:
        entry, message = self.entry, self.entry.message
        if entry.takes_out and user_id in entry.takes_out:
            return "out"
        if message.seq < joined_seq:
            return "hidden"
        reply_hidden = message.reply_to_seq is not None and message.reply_to_seq < joined_seq
        if message.sender_id == user_id:
            return "sender_reply_hidden" if reply_hidden else "sender"
        return "reply_hidden" if reply_hidden else "others"

    def for_inbox(self, user_id: str, joined_seq: int) -> Occurrence:
        kind = self.recipient_class(user_id, joined_seq)
        made = self._made.get(("inbox", kind))
        if made is None:
            made = self._made["inbox", kind] = self._occurrence(kind)
        return made

    def for_messages(self, user_id: str, joined_seq: int) -> Occurrence:
        kind = self.recipient_class(user_id, joined_seq)
        made = self._made.get(("messages", kind))
        if made is None:
            made = self._made["messages", kind] = Occurrence(self._message(kind), {})
        return made

    def _occurrence(self, kind: RecipientClass) -> Occurrence:
        event = self._event(kind)
        # Without facts each recipient asks for the channel, and may no longer be in it.
        alone = isinstance(event, ChannelUpdated) and not event.gone and event.facts is None
        return Occurrence(event, None if alone else {})

    def _event(self, kind: RecipientClass) -> Any:
        entry = self.entry
        place = (entry.at, entry.channel_id, entry.seq)
        if kind == "hidden":
            return LogAdvanced(*place)
        message = self._message(kind)
        if entry.change is not None:
            return MessageUpdated(*place, entry.change, message)
        if entry.is_notice:
            # Facts of later than the entry are not for who has left since.
            exact = entry.group is not None and entry.group.last_seq == entry.seq
            return ChannelUpdated(*place, message, kind == "out", entry.group if exact else None)
        return MessageAdded(*place, message)

    def _message(self, kind: RecipientClass) -> Message:
        message = self.entry.message
        if kind in ("sender", "sender_reply_hidden"):
            message = for_sender(message)
            if not self.fresh:
                leave_fate_unread(message)
        if kind in ("reply_hidden", "sender_reply_hidden"):
            message = msgspec.structs.replace(message, reply_to=None)
        return message
