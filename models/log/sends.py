"""Sending: drafts, and how a batch of them is written to their channels' logs."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from models import ids
from models.database import Connection
from models.log.batching import Busy
from models.log.entries import Batch, Entry, Recipients
from models.messages.messages import (
    Details,
    Location,
    Message,
    MessageKind,
    MessageStatus,
    encode_details,
)
from models.refusals import RefusalCode, Refused, invalid, not_found
from models.users.users import User

logger = logging.getLogger("parley.commit")


class Draft(msgspec.Struct):
    """A message as its sender wrote it, shape and limits checked."""

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
    # How often it was handed to the database: after a lost connection its own earlier try may be
    # the "repeat".
    tries: int = 0

    def details(self) -> str | None:
        if self.location is None and not self.mention_ids and not self.media_ids:
            return None
        details = Details(self.location, self.mention_ids, media=self.media_ids)
        return encode_details(details).decode()

    def fingerprint(self) -> bytes:
        """SHA-256 of what the sender said: a repeat must say the same."""
        parts: tuple[object, ...] = (
            self.kind,
            self.text,
            self.location,
            self.reply_to_seq,
            sorted(self.mention_ids),
        )
        if self.media_ids:
            parts = (*parts[1:], self.media_ids)
        return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()


class Sent(msgspec.Struct):
    """Where a draft is stored; `message` only when this write stored it."""

    seq: int
    message: Message | None


class SendWriter:
    """Writes batches of drafts by `models/sql/append_messages.sql`; tells `on_commit` of what was
    stored.
    """

    def __init__(self, on_commit: Callable[[Batch], None]) -> None:
        self._on_commit = on_commit
        # Members by channel, as of the last write: bounds a batch's recipients.
        self._sizes: dict[str, int] = {}

    def lock_key(self, item: Draft) -> str:
        return item.channel_id

    def identity(self, item: Draft) -> tuple[str, str, str]:
        return (item.channel_id, item.sender.id, item.client_message_id)

    def absorb(self, leader: Draft, follower: Draft) -> None:
        """Two drafts stay two: the later one is a repeat or a conflict."""

    def follow(self, leader: Draft, result: Sent, follower: Draft) -> Sent | Refused | None:
        if leader.fingerprint() != follower.fingerprint():
            return _conflict()
        return Sent(result.seq, None)

    def weight(self, item: Draft) -> int:
        return self._sizes.get(item.channel_id, 2)

    def note_again(self, item: Draft) -> None:
        """A repeat is found by its id."""

    async def write(
        self, connection: Connection, items: Sequence[Draft], *, wait: bool
    ) -> Sequence[Sent | Refused | Busy]:
        for draft in items:
            draft.tries += 1
        outbox_id = ids.new_id()
        rows = await connection.fetch(
            "SELECT * FROM append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            sorted({d.channel_id for d in items}),
            [d.channel_id for d in items],
            [d.sender.id for d in items],
            [d.client_message_id for d in items],
            [d.fingerprint() for d in items],
            [d.kind.value for d in items],
            [d.text for d in items],
            [d.reply_to_seq for d in items],
            [d.details() for d in items],
            [d.at for d in items],
            outbox_id,
            wait,
            timeout=2,
        )
        results = [_result(draft, row[1], row[2]) for draft, row in zip(items, rows, strict=False)]
        recipients = {row[3]: Recipients(row[4], row[5]) for row in rows[len(items) :]}
        if recipients:
            self._tell(outbox_id, results, recipients)
        return results

    def _tell(
        self,
        outbox_id: str,
        results: Sequence[Sent | Refused | Busy],
        recipients: dict[str, Recipients],
    ) -> None:
        entries = [
            Entry(r.message.channel_id, r.seq, r.message.sent_at, r.message)
            for r in results
            if isinstance(r, Sent) and r.message is not None
        ]
        if len(self._sizes) > 100_000:
            self._sizes.clear()
        self._sizes |= {channel_id: len(to.user_ids) for channel_id, to in recipients.items()}
        # The outbox row stands under the least id, as array_agg(DISTINCT) sorts them.
        self._on_commit(Batch(min(recipients), outbox_id, entries, recipients))


def _result(draft: Draft, outcome: int, seq: int | None) -> Sent | Refused | Busy:
    if outcome == 1:
        assert seq is not None
        return Sent(seq, _message(draft, seq))
    if outcome == 2:
        assert seq is not None
        return Sent(seq, None)
    if outcome == 5:
        return Busy.BUSY
    return _refusal(outcome)


def _message(draft: Draft, seq: int) -> Message:
    """The stored message as others get it; `for_sender` adds what only the sender sees."""
    message = Message(
        draft.channel_id,
        seq,
        draft.kind,
        draft.sender.id,
        draft.client_message_id,
        draft.text,
        draft.reply_to_seq,
        draft.at,
        location=draft.location,
        mention_ids=draft.mention_ids,
        media_ids=draft.media_ids,
        sender=draft.sender,
    )
    if draft.reply_to_seq is None:
        message.reply_to = None
    if not draft.media_ids:
        message.media = []
    return message


def for_sender(message: Message) -> Message:
    """A message that was just stored, as its sender sees it: nobody can have received it yet."""
    own = msgspec.structs.replace(message)
    own.status = MessageStatus.SENT
    own.delivered_count = own.read_count = 0
    return own


def _conflict() -> Refused:
    return Refused(
        RefusalCode.CONFLICT,
        "This clientMessageId was used for another message in the channel.",
        field="clientMessageId",
    )


def _refusal(outcome: int) -> Refused:
    match outcome:
        case 3:
            return _conflict()
        case 6:
            return not_found("There is no such message in the channel.", "replyToId")
        case 7:
            return invalid("Only members of the channel can be mentioned.", "mentions")
        case 8:
            return blocked_chat()
        case _:
            return no_such_channel()


def no_such_channel() -> Refused:
    return not_found("There is no such channel.", "channelId")


def blocked_chat() -> Refused:
    return Refused(RefusalCode.BLOCKED, "One of the two has blocked the other.", field="channelId")
