"""Rows keyed by `channel_id` first."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, TSVECTOR
from sqlmodel import Field, SQLModel

from models.tables.columns import (
    flag_column,
    id_column,
    integer_column,
    json_column,
    key,
    small_column,
    text_column,
    time_column,
)


class ChannelRow(SQLModel, table=True):
    """The head of a log: narrow and hot. No index on `last_at`, so that its updates stay
    heap-only.
    """

    __tablename__ = "channels"
    __table_args__: ClassVar[Any] = {"postgresql_with": {"fillfactor": "50"}}

    id: UUID = key()
    kind: int = Field(sa_column=Column(SmallInteger, nullable=False))
    created_at: datetime = time_column()
    last_seq: int = integer_column(default=0)
    # When the newest message was said; null while there is none.
    last_at: datetime | None = time_column(nullable=True)


class MemberRow(SQLModel, table=True):
    """A user in a channel. Positions only go forward; a rejoin starts a new membership in the same
    row.
    """

    __tablename__ = "members"
    __table_args__: ClassVar[Any] = {"postgresql_with": {"fillfactor": "70"}}

    channel_id: UUID = key()
    user_id: UUID = key()
    role: int = Field(sa_column=Column(SmallInteger, nullable=False))
    joined_at: datetime = time_column()
    joined_seq: int = integer_column()
    left_seq: int | None = integer_column(nullable=True)
    delivered_seq: int = integer_column(default=0)
    read_seq: int = integer_column(default=0)
    # What others are shown of the positions: the same, but that it stands still while one blocks
    # the other in a chat.
    shown_delivered_seq: int = integer_column(default=0)
    shown_read_seq: int = integer_column(default=0)
    muted_until: datetime | None = time_column(nullable=True)
    # Marks of a chat, copied from the member's own facts so that a send or a page reads no other
    # family:
    # they have blocked the other; they hide read receipts; they have said something here.
    blocks: bool = flag_column()
    hides_receipts: bool = flag_column()
    has_sent: bool = flag_column()


class GroupRow(SQLModel, table=True):
    """What a group is called and how it looks."""

    __tablename__ = "groups"

    channel_id: UUID = key()
    name: str = text_column()
    description: str | None = text_column(nullable=True)
    creator_id: UUID = id_column()
    # SHA-256 of the input it was created with: creating it again must say the same.
    draft_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    # Set when the last member has left.
    closed_at: datetime | None = time_column(nullable=True)
    # As of a user.
    avatar: dict[str, Any] | None = json_column()


class InviteRow(SQLModel, table=True):
    """A link into a group. The token holds the channel's id, so that it is found by it."""

    __tablename__ = "invites"

    channel_id: UUID = key()
    token: str = Field(sa_column=Column(Text, primary_key=True))
    created_at: datetime = time_column()
    created_by: UUID = id_column()
    expires_at: datetime | None = time_column(nullable=True)
    uses_left: int | None = integer_column(nullable=True)
    revoked_at: datetime | None = time_column(nullable=True)


class MessageRow(SQLModel, table=True):
    """What a member said. `details` holds what few messages have: location, mentions, system
    notice.
    """

    __tablename__ = "messages"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("channel_id", "sender_id", "client_message_id"),
    )

    channel_id: UUID = key()
    seq: int = Field(sa_type=Integer, primary_key=True)
    kind: int = Field(sa_column=Column(SmallInteger, nullable=False))
    sender_id: UUID | None = id_column(nullable=True)
    client_message_id: str | None = text_column(nullable=True)
    # SHA-256 of the draft as it was sent: a repeat must be the same draft.
    draft_hash: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    text: str | None = text_column(nullable=True)
    reply_to_seq: int | None = integer_column(nullable=True)
    details: dict[str, Any] | None = Field(sa_column=Column(JSONB, nullable=True))
    # [[user id, emoji], …] in the order of reacting; one a member.
    reactions: list[Any] | None = Field(sa_column=Column(JSONB, nullable=True))
    sent_at: datetime = time_column()
    edited_at: datetime | None = time_column(nullable=True)
    deleted_at: datetime | None = time_column(nullable=True)


class ChangeRow(SQLModel, table=True):
    """An entry of the log that changes a message: `kind` as in models.log.entries.Change."""

    __tablename__ = "changes"

    channel_id: UUID = key()
    seq: int = Field(sa_type=Integer, primary_key=True)
    kind: int = small_column()
    message_seq: int = integer_column()
    actor_id: UUID = id_column()
    at: datetime = time_column()


class SearchHeadRow(SQLModel, table=True):
    """How far a channel is indexed for search: every block up to `built_seq` is there. Its lock
    orders who builds a block and who changes a message of it.
    """

    __tablename__ = "search_heads"

    channel_id: UUID = key()
    built_seq: int = integer_column()


class SearchBlockRow(SQLModel, table=True):
    """The words of a block of 128 entries of a log: `block` n holds the seqs after 128 n. A word's
    positions are the seqs of its messages, counted within the block. Null where it is too much to
    index: whoever searches looks at the messages.
    """

    __tablename__ = "search_blocks"

    channel_id: UUID = key()
    block: int = Field(sa_type=Integer, primary_key=True)
    # No message of the block was sent before the one, or after the other.
    earliest_at: datetime = time_column()
    latest_at: datetime = time_column()
    words: str | None = Field(sa_column=Column(TSVECTOR, nullable=True))


class ReceiptRow(SQLModel, table=True):
    """One forward move of a position: `kind` 1 delivered, 2 read."""

    __tablename__ = "receipts"

    channel_id: UUID = key()
    user_id: UUID = key()
    kind: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    up_to_seq: int = Field(sa_type=Integer, primary_key=True)
    at: datetime = time_column()


class OutboxRow(SQLModel, table=True):
    """A committed batch of log entries: who is to hear of it. Settled when dispatch is done with
    it.

    `entry_*` are parallel arrays, one element an entry; `recipient_*` one element a (channel,
    recipient).
    """

    __tablename__ = "outbox"
    __table_args__: ClassVar[Any] = (
        Index("ix_outbox_created_at", "created_at"),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    channel_id: UUID = key()
    id: UUID = key()
    created_at: datetime = Field(
        sa_column=Column(TIMESTAMP(timezone=True), nullable=False, server_default=text("now()"))
    )
    settled_at: datetime | None = time_column(nullable=True)
    entry_channel_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    entry_seqs: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    recipient_channel_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    recipient_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    recipient_joined_seqs: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    # When a worker looked whether its recipients have it, or need a push.
    checked_at: datetime | None = time_column(nullable=True)
