"""Writing to a channel's log outside the committer: one transaction, the channel's row locked
first, members' rows after it.

For what is rarer than a send: changes of messages, of groups and of their members. The caller
checks its rules between `lock_log` and the first write, appends entries, and ends with `close`,
which decides the recipients and writes the outbox row.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from models import ids
from models.jobs.due import DueJobs
from models.log.entries import Batch, Change, Entry, Recipients, entry_of
from models.messages.messages import Details, Message, MessageKind, encode_details
from models.messages.notices import SystemNotice
from models.postgresql.database import Connection, Database


class ChannelLog:
    """A locked channel: its kind and the newest seq, moved by what is appended. Jobs that are added
    to `due` are queued after the commit.
    """

    def __init__(
        self,
        connection: Connection,
        channel_id: str,
        kind: int,
        last_seq: int,
        *,
        is_distributed: bool,
    ) -> None:
        self.connection = connection
        self.is_distributed = is_distributed
        self.channel_id = channel_id
        self.kind = kind
        self.last_seq = last_seq
        self.now = datetime.now(UTC)
        self.entries: list[Entry] = []
        self.due = DueJobs()
        self._said = False

    async def append_notice(self, notice: SystemNotice) -> Message:
        """Append a SYSTEM message, which takes the next seq, and return it."""
        self.last_seq += 1
        self._said = True
        message = Message(
            self.channel_id, self.last_seq, MessageKind.SYSTEM, None, None, None, None, self.now
        )
        message.system = notice
        message.sender = message.reply_to = None
        message.media = []
        await self.connection.execute(
            "INSERT INTO messages (channel_id, seq, kind, details, sent_at) "
            "VALUES ($1, $2, $3, $4, $5)",
            self.channel_id,
            self.last_seq,
            MessageKind.SYSTEM.value,
            encode_details(Details(system=notice)).decode(),
            self.now,
        )
        self._add(message, None)
        return message

    async def append_change(self, change: Change, message: Message, actor_id: str) -> None:
        """Append a change of a message, given as it is after the change; it takes the next seq."""
        self.last_seq += 1
        await self.connection.execute(
            "INSERT INTO changes (channel_id, seq, kind, message_seq, actor_id, at) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            self.channel_id,
            self.last_seq,
            change.value,
            message.seq,
            actor_id,
            self.now,
        )
        self._add(message, change)

    def _add(self, message: Message, change: Change | None) -> None:
        self.entries.append(entry_of(message, seq=self.last_seq, change=change, at=self.now))

    async def close(self) -> Batch | None:
        """Move the head of the log, decide the recipients and write the outbox row. Returns the
        batch, or None when nothing was appended.
        """
        if not self.entries:
            return None
        await self.connection.execute(
            "UPDATE channels SET last_seq = $2, "
            "last_at = CASE WHEN $3 THEN greatest(last_at, $4) ELSE last_at END WHERE id = $1",
            self.channel_id,
            self.last_seq,
            self._said,
            self.now,
        )
        recipients = await self._recipients()
        outbox_id = ids.new_id()
        await self.connection.execute(
            """
            INSERT INTO outbox (channel_id, id, entry_channel_ids, entry_seqs,
                                recipient_channel_ids, recipient_ids, recipient_joined_seqs)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            self.channel_id,
            outbox_id,
            [self.channel_id] * len(self.entries),
            [entry.seq for entry in self.entries],
            [self.channel_id] * len(recipients.user_ids),
            recipients.user_ids,
            recipients.joined_seqs,
        )
        return Batch(self.channel_id, outbox_id, self.entries, {self.channel_id: recipients})

    async def _recipients(self) -> Recipients:
        """Return the members now, and those whom these entries take out."""
        taken_out = sorted({who for entry in self.entries for who in entry.takes_out})
        rows = await self.connection.fetch(
            "SELECT user_id, joined_seq FROM members "
            "WHERE channel_id = $1 AND (left_seq IS NULL OR user_id = ANY ($2))",
            self.channel_id,
            taken_out,
        )
        return Recipients([row["user_id"] for row in rows], [row["joined_seq"] for row in rows])


@asynccontextmanager
async def lock_log(
    database: Database, channel_id: str, on_commit: Callable[[Batch], None]
) -> AsyncIterator[ChannelLog | None]:
    """Open a transaction that holds the channel's row; yields None when there is no such channel.

    What was appended is committed at the end of the block, and then told to `on_commit`; jobs that
    are due are queued after that. An exception rolls all of it back.
    """
    batch: Batch | None = None
    async with database.transaction_in_turn(channel_id) as connection:
        row = await connection.fetchrow(
            "SELECT kind, last_seq FROM channels WHERE id = $1 FOR UPDATE", channel_id
        )
        log = None
        if row is not None:
            log = ChannelLog(
                connection,
                channel_id,
                row["kind"],
                row["last_seq"],
                is_distributed=database.is_distributed,
            )
        yield log
        if log is not None:
            batch = await log.close()
            await log.due.store(connection)
    if batch is not None:
        on_commit(batch)
    if log is not None:
        await log.due.queue(database)


@asynccontextmanager
async def create_log(
    database: Database, channel_id: str, kind: int, on_commit: Callable[[Batch], None]
) -> AsyncIterator[ChannelLog | None]:
    """Do as `lock_log`, for a channel that this call makes. Yields None when somebody else has made
    it; their commit has been waited for.
    """
    batch: Batch | None = None
    async with database.transaction() as connection:
        log = ChannelLog(connection, channel_id, kind, 0, is_distributed=database.is_distributed)
        made = await connection.fetchval(
            "INSERT INTO channels (id, kind, created_at) VALUES ($1, $2, $3) "
            "ON CONFLICT DO NOTHING RETURNING 1",
            channel_id,
            kind,
            log.now,
        )
        yield log if made else None
        if made:
            batch = await log.close()
    if batch is not None:
        on_commit(batch)
