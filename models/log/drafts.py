"""Drafts: messages as their senders wrote them, before they are stored."""

import hashlib
from datetime import datetime

import msgspec

from models.messages.messages import Details, Location, Message, MessageKind, encode_details
from models.users.users import User


class Draft(msgspec.Struct):
    """A message as its sender wrote it; its shape and limits have been checked."""

    channel_id: str
    sender: User
    client_message_id: str
    kind: MessageKind
    at: datetime
    text: str | None = None
    location: Location | None = None
    reply_to_seq: int | None = None
    mention_ids: list[str] = []
    media_ids: list[str] = []
    # How often it was handed to the database. After a lost connection, the "repeat" that is found
    # may be the message that an earlier try of the same draft stored.
    tries: int = 0

    def details(self) -> str | None:
        """Return the JSON of `messages.details`, or None where the message needs none."""
        if self.location is None and not self.mention_ids and not self.media_ids:
            return None
        details = Details(self.location, self.mention_ids, media=self.media_ids)
        return encode_details(details).decode()

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of what the sender said: a repeat must say the same."""
        parts: tuple[object, ...] = (
            self.kind,
            self.text,
            self.location,
            self.reply_to_seq,
            sorted(self.mention_ids),
        )
        if self.media_ids:
            # Not the kind: it follows from the media, and is not known before they are looked up.
            parts = (*parts[1:], self.media_ids)
        return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()


class Sent(msgspec.Struct):
    """Where a draft is stored. `message` is given only when this write stored it."""

    seq: int
    message: Message | None
