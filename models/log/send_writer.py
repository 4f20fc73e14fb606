"""Writing batches of drafts to their channels' logs."""

from collections.abc import Callable, Sequence, Set

import asyncpg

from models import ids
from models.channels.refusals import blocked_chat, no_such_channel
from models.log.drafts import Draft, Sent
from models.log.entries import Batch, Entry, Recipients
from models.log.group_commit.batch_writer import WRITE_WITHIN_S, Busy
from models.log.one_channel import is_for_one_channel
from models.log.outcomes import AppendOutcome
from models.messages.messages import Message
from models.postgresql.database import Connection
from models.postgresql.standby import WRITE_AHEAD
from models.refusals import RefusalCode, Refused, invalid, not_found

# Channels whose size is remembered; beyond it, all are forgotten and learned again.
REMEMBERED_SIZES = 100_000


class SendWriter:
    """Write batches of drafts, and tell `on_commit` what was stored.

    A short batch of one channel is written by `models/sql/append_channel_v1.sql`, as each batch is
    where the database is distributed; others by `models/sql/append_messages.sql`.
    """

    def __init__(self, on_commit: Callable[[Batch], None], *, is_distributed: bool = False) -> None:
        self._on_commit = on_commit
        self._is_distributed = is_distributed
        # How many members each channel had at the last write: bounds the recipients of a batch.
        self._sizes: dict[str, int] = {}

    def lane(self, item: Draft) -> str:
        return item.channel_id

    def lock_key(self, item: Draft) -> str:
        return item.channel_id

    def identity(self, item: Draft) -> tuple[str, str, str]:
        return (item.channel_id, item.sender.id, item.client_message_id)

    def absorb(self, leader: Draft, follower: Draft) -> None:
        """Keep both: the later draft is a repeat or a conflict."""

    def follow(self, leader: Draft, result: Sent, follower: Draft) -> Sent | Refused | None:
        if leader.fingerprint() != follower.fingerprint():
            return _refuse(AppendOutcome.CONFLICTING)
        return Sent(result.seq, None)

    def weight(self, item: Draft) -> int:
        return self._sizes.get(item.channel_id, 2)

    def note_again(self, item: Draft) -> None:
        """Do nothing: a draft that was stored already is found by its id."""

    async def write(
        self, connection: Connection, items: Sequence[Draft], *, wait: bool
    ) -> Sequence[Sent | Refused | Busy]:
        for draft in items:
            draft.tries += 1
        outbox_id = ids.new_id()
        channel_ids = {draft.channel_id for draft in items}
        if is_for_one_channel(channel_ids, items, is_distributed=self._is_distributed):
            rows = await _append_to_channel(connection, items, outbox_id, wait)
        else:
            rows = await _append_to_channels(connection, channel_ids, items, outbox_id, wait)
        results = [_result(draft, row) for draft, row in zip(items, rows, strict=False)]
        recipients = {
            row.get("channel_id", items[0].channel_id): Recipients(
                row["user_ids"], row["joined_seqs"]
            )
            for row in rows[len(items) :]
        }
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
        if len(self._sizes) > REMEMBERED_SIZES:
            self._sizes.clear()
        self._sizes |= {channel_id: len(to.user_ids) for channel_id, to in recipients.items()}
        # The outbox row stands under the least id, as array_agg(DISTINCT) sorts them.
        self._on_commit(Batch(min(recipients), outbox_id, entries, recipients))


async def _append_to_channel(
    connection: Connection, items: Sequence[Draft], outbox_id: str, wait: bool
) -> list[asyncpg.Record]:
    return await connection.fetch(
        # As plain as this, or Citus would not run it where the channel's rows are.
        "SELECT * FROM append_channel_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        items[0].channel_id,
        *_columns_of(items),
        outbox_id,
        wait,
        timeout=WRITE_WITHIN_S,
    )


async def _append_to_channels(
    connection: Connection,
    channel_ids: Set[str],
    items: Sequence[Draft],
    outbox_id: str,
    wait: bool,
) -> list[asyncpg.Record]:
    if any(draft.tries > 1 for draft in items):
        await connection.fetch(WRITE_AHEAD, timeout=WRITE_WITHIN_S)
    return await connection.fetch(
        "SELECT * FROM append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        sorted(channel_ids),
        [d.channel_id for d in items],
        *_columns_of(items),
        outbox_id,
        wait,
        timeout=WRITE_WITHIN_S,
    )


def _columns_of(items: Sequence[Draft]) -> tuple[list[object], ...]:
    """Return the arguments of both functions that are lists, in their order."""
    return (
        [d.sender.id for d in items],
        [d.client_message_id for d in items],
        [d.fingerprint() for d in items],
        [d.kind.value for d in items],
        [d.text for d in items],
        [d.reply_to_seq for d in items],
        [d.details() for d in items],
        [d.at for d in items],
    )


def _result(draft: Draft, row: asyncpg.Record) -> Sent | Refused | Busy:
    """Read one row of either function."""
    outcome, seq = row["outcome"], row["seq"]
    if outcome == AppendOutcome.APPENDED:
        return Sent(seq, _stored(draft, seq))
    if outcome == AppendOutcome.REPEATED:
        return Sent(seq, None)
    if outcome == AppendOutcome.BUSY:
        return Busy.BUSY
    return _refuse(AppendOutcome(outcome))


def _stored(draft: Draft, seq: int) -> Message:
    """Return the stored message as others get it; `for_sender` adds what only the sender sees."""
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


def _refuse(outcome: AppendOutcome) -> Refused:
    match outcome:
        case AppendOutcome.CONFLICTING:
            return Refused(
                RefusalCode.CONFLICT,
                "This clientMessageId was used for another message in the channel.",
                field="clientMessageId",
            )
        case AppendOutcome.NO_SUCH_ORIGINAL:
            return not_found("There is no such message in the channel.", "replyToId")
        case AppendOutcome.MENTIONS_STRANGER:
            return invalid("Only members of the channel can be mentioned.", "mentions")
        case AppendOutcome.BLOCKED:
            return blocked_chat()
        case _:
            return no_such_channel()
