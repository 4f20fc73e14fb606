"""The schema of record: every table, as SQLModel classes that Alembic compares with the database.

Families (ARCHITECTURE.md): rows keyed by `channel_id` first, rows keyed by `user_id` first, and
rows keyed by a media file. No key, join or foreign key crosses from one to the other, so that the
same SQL runs on one PostgreSQL and distributed over many. Hot paths do not use these classes; they
are hand-written SQL beside the rules they serve.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, TSVECTOR
from sqlmodel import Field, SQLModel

# Names by rule, so that a migration can name what it drops and code can recognise a constraint by
# its prefix.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}

metadata: MetaData = SQLModel.metadata


def _key() -> Any:
    return Field(sa_type=Uuid, primary_key=True)


def _id(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(Uuid, nullable=nullable))


def _text(*, nullable: bool = False, default: str | None = None) -> Any:
    server_default = None if default is None else text(f"'{default}'")
    return Field(sa_column=Column(Text, nullable=nullable, server_default=server_default))


def _time(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=nullable))


def _integer(*, default: int | None = None, nullable: bool = False) -> Any:
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(Integer, nullable=nullable, server_default=server_default))


def _small(*, default: int | None = None) -> Any:
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(SmallInteger, nullable=False, server_default=server_default))


def _json() -> Any:
    return Field(sa_column=Column(JSONB, nullable=True))


def _flag(default: str = "false") -> Any:
    return Field(sa_column_kwargs={"server_default": text(default)})


# ------------------------------------------------------------------ keyed by user


class UserRow(SQLModel, table=True):
    """A person with an account."""

    __tablename__ = "users"

    id: UUID = _key()
    name: str = _text()
    about: str | None = _text(nullable=True)
    created_at: datetime = _time()
    # Privacy: 1 everyone, 2 contacts, 3 nobody.
    last_seen_audience: int = _small(default=1)
    add_to_groups_audience: int = _small(default=1)
    read_receipts: bool = _flag("true")
    # When Valkey last let go of their presence; null when never seen.
    last_seen_at: datetime | None = _time(nullable=True)
    # A copy of the media row of their picture, which does not change once it is one.
    avatar: dict[str, Any] | None = _json()


class PhoneNumberRow(SQLModel, table=True):
    """Whose a number is; a row of its own, since it is looked up by the number."""

    __tablename__ = "phone_numbers"

    number: str = Field(sa_column=Column(Text, primary_key=True))
    user_id: UUID = _id()


class UserPhoneRow(SQLModel, table=True):
    """The same fact keyed by user, written in the same transaction."""

    __tablename__ = "user_phone_numbers"

    user_id: UUID = _key()
    number: str = _text()


class ContactRow(SQLModel, table=True):
    """`user_id` already knew the number of `contact_id`: contact discovery found it."""

    __tablename__ = "contacts"

    user_id: UUID = _key()
    contact_id: UUID = _key()


class BlockRow(SQLModel, table=True):
    """`user_id` has blocked `blocked_id`; the same is marked on their member row of the chat."""

    __tablename__ = "blocks"

    user_id: UUID = _key()
    blocked_id: UUID = _key()
    at: datetime = _time()


class BlockedByRow(SQLModel, table=True):
    """The same fact keyed by the one who is blocked, written in the same transaction."""

    __tablename__ = "blocked_by"

    user_id: UUID = _key()
    blocker_id: UUID = _key()


class ReportRow(SQLModel, table=True):
    """What a user reported, with a copy of the message as it was."""

    __tablename__ = "reports"

    user_id: UUID = _key()
    id: UUID = _key()
    reported_user_id: UUID | None = _id(nullable=True)
    channel_id: UUID | None = _id(nullable=True)
    seq: int | None = _integer(nullable=True)
    message: dict[str, Any] | None = Field(sa_column=Column(JSONB, nullable=True))
    reason: str = _text()
    at: datetime = _time()


class DeviceRow(SQLModel, table=True):
    """One signed-in installation. `generation` numbers its token pairs; see
    models/generations.py.
    """

    __tablename__ = "devices"
    __table_args__: ClassVar[Any] = (
        # Every node asks for the newest revocations once a second.
        Index(
            "ix_devices_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")
        ),
    )

    user_id: UUID = _key()
    id: UUID = _key()
    name: str = _text()
    platform: str = _text()
    created_at: datetime = _time()
    last_active_at: datetime = _time()
    generation: int = _integer(default=1)
    # When a token of the newest pair was first accepted; null while it never was.
    generation_accepted_at: datetime | None = _time(nullable=True)
    # When the generations before it were, newest first: only those still within the grace are kept.
    earlier_accepted_at: list[datetime] = Field(
        sa_column=Column(
            ARRAY(TIMESTAMP(timezone=True)), nullable=False, server_default=text("'{}'")
        )
    )
    refreshed_at: datetime = _time()
    # Up to when the newest access token holds: open sockets of the device live until then.
    access_expires_at: datetime = _time()
    revoked_at: datetime | None = _time(nullable=True)


class SignInCodeRow(SQLModel, table=True):
    """The one code in force for a number."""

    __tablename__ = "sign_in_codes"

    number: str = Field(sa_column=Column(Text, primary_key=True))
    code_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    requested_at: datetime = _time()
    expires_at: datetime = _time()
    tries_left: int = _integer()


class BudgetRow(SQLModel, table=True):
    """What was spent under a key, in the window that began at `window_start`, and in the one before
    it.
    """

    __tablename__ = "budgets"

    key: str = Field(sa_column=Column(Text, primary_key=True))
    window_start: datetime = _time()
    spent: int = _integer(default=0)
    spent_before: int = _integer(default=0)


class UserChannelRow(SQLModel, table=True):
    """A user's own list of channels; the row stays when they leave."""

    __tablename__ = "user_channels"

    user_id: UUID = _key()
    channel_id: UUID = _key()
    # The entry that took them out; null while they are in.
    left_seq: int | None = _integer(nullable=True)


class DevicePositionRow(SQLModel, table=True):
    """How far a device has stored a channel's log: its inbox resumes after it."""

    __tablename__ = "device_positions"

    user_id: UUID = _key()
    device_id: UUID = _key()
    channel_id: UUID = _key()
    delivered_seq: int = _integer()


class PushEndpointRow(SQLModel, table=True):
    """Where a device that follows nothing is reached. It ends with the device."""

    __tablename__ = "push_endpoints"

    user_id: UUID = _key()
    device_id: UUID = _key()
    # APNS, FCM, WEB_PUSH, EMAIL, SMS; the address as that provider needs it.
    kind: str = _text()
    address: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    set_at: datetime = _time()


class PushAddressRow(SQLModel, table=True):
    """Whose a token is: of one device, the last that set it. Found by its digest (SHA-256 of the
    kind and the token).
    """

    __tablename__ = "push_addresses"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    user_id: UUID = _id()
    device_id: UUID = _id()


class PushSettingsRow(SQLModel, table=True):
    """How a device wants to be pushed to; without a row, as the defaults say."""

    __tablename__ = "push_settings"

    user_id: UUID = _key()
    device_id: UUID = _key()
    # What a push shows: 1 that there is something, 2 who it is from, 3 what they say.
    preview: int = _small(default=3)
    # Whether a mention is pushed though the channel is muted.
    mentions_when_muted: bool = _flag("true")
    # Quiet hours, in minutes after midnight of the time zone; null when there are none.
    quiet_from: int | None = _integer(nullable=True)
    quiet_until: int | None = _integer(nullable=True)
    time_zone: str | None = _text(nullable=True)


class PushStateRow(SQLModel, table=True):
    """What a device should show of a channel, and what it was told to show last."""

    __tablename__ = "push_states"
    __table_args__: ClassVar[Any] = {"postgresql_with": {"fillfactor": "50"}}

    user_id: UUID = _key()
    device_id: UUID = _key()
    channel_id: UUID = _key()
    # The newest entry that a push is wanted for, or that a job has seen since.
    wanted_seq: int = _integer(default=0)
    # When the job that waits is due; null while none waits. Whoever begins the job clears it first.
    due_at: datetime | None = _time(nullable=True)
    # Since when a job is at it; null once what it did is written.
    claimed_at: datetime | None = _time(nullable=True)
    # How often its provider has failed since it last answered.
    failures: int = _small(default=0)
    # The newest message that was shown; 0 when nothing is on the device's screen.
    shown_seq: int = _integer(default=0)
    shown_at: datetime | None = _time(nullable=True)


# ------------------------------------------------------------------ keyed by media


class MediaRow(SQLModel, table=True):
    """A file that somebody uploads: `state` and `kind` as in models.media."""

    __tablename__ = "media"
    __table_args__: ClassVar[Any] = (
        # The sweep asks for what nothing uses, and for what is kept too long.
        Index("ix_media_unused", "created_at", postgresql_where=text("used_at IS NULL")),
        Index("ix_media_completed_at", "completed_at", postgresql_where=text("state = 3")),
        Index("ix_media_content_digest", "content_digest"),
        # Storage is compared by folder.
        Index("ix_media_content_id", "content_id"),
    )

    id: UUID = _key()
    owner_id: UUID = _id()
    kind: int = _small()
    state: int = _small()
    failure: str | None = _text(nullable=True)
    file_name: str = _text()
    # As the owner said; from the content once it is known.
    content_type: str = _text()
    byte_size: int = _integer()
    # Storage's name for the upload in parts; null for a single one.
    parts_id: str | None = _text(nullable=True)
    created_at: datetime = _time()
    completed_at: datetime | None = _time(nullable=True)
    # When it was first put into a message or a picture.
    used_at: datetime | None = _time(nullable=True)
    # The folder of its files in storage. Media of equal content share one.
    content_id: UUID | None = _id(nullable=True)
    content_digest: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    width: int | None = _integer(nullable=True)
    height: int | None = _integer(nullable=True)
    duration_ms: int | None = _integer(nullable=True)
    placeholder: str | None = _text(nullable=True)
    renditions: list[Any] | None = _json()
    # At how many tries the worker died: a file that kills workers is given up.
    tries: int = _integer(default=0)


class MediaContentRow(SQLModel, table=True):
    """A content that is stored once: what was made of it, found by its digest (SHA-256 of kind and
    bytes).
    """

    __tablename__ = "media_contents"
    __table_args__: ClassVar[Any] = (Index("ix_media_contents_content_id", "content_id"),)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    content_id: UUID = _id()
    content_type: str = _text()
    width: int | None = _integer(nullable=True)
    height: int | None = _integer(nullable=True)
    duration_ms: int | None = _integer(nullable=True)
    placeholder: str | None = _text(nullable=True)
    renditions: list[Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = _time()


class MediaUseRow(SQLModel, table=True):
    """Where media is to be seen: `holder_kind` 1 a message of the channel `holder_id` (known by its
    sender and client id), 2 the picture of that user, 3 the picture of that group. Written before
    what it speaks of, so that nothing holds media unseen; a row whose holder never came is swept.
    """

    __tablename__ = "media_uses"
    # The sweep looks at each once, when it is old enough.
    __table_args__: ClassVar[Any] = (Index("ix_media_uses_at", "at"),)

    media_id: UUID = _key()
    holder_kind: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    holder_id: UUID = _key()
    # Who put it there.
    user_id: UUID = _key()
    # Of the message; empty for a picture.
    client_message_id: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = _time()


class MediaStoredRow(SQLModel, table=True):
    """A device of the user has stored the file for itself."""

    __tablename__ = "media_stored"

    media_id: UUID = _key()
    user_id: UUID = _key()


# ------------------------------------------------------------------ keyed by channel


class ChannelRow(SQLModel, table=True):
    """The head of a log: narrow and hot. No index on `last_at`, so that its updates stay
    heap-only.
    """

    __tablename__ = "channels"
    __table_args__: ClassVar[Any] = {"postgresql_with": {"fillfactor": "50"}}

    id: UUID = _key()
    kind: int = Field(sa_column=Column(SmallInteger, nullable=False))
    created_at: datetime = _time()
    last_seq: int = _integer(default=0)
    # When the newest message was said; null while there is none.
    last_at: datetime | None = _time(nullable=True)


class MemberRow(SQLModel, table=True):
    """A user in a channel. Positions only go forward; a rejoin starts a new membership in the same
    row.
    """

    __tablename__ = "members"
    __table_args__: ClassVar[Any] = {"postgresql_with": {"fillfactor": "70"}}

    channel_id: UUID = _key()
    user_id: UUID = _key()
    role: int = Field(sa_column=Column(SmallInteger, nullable=False))
    joined_at: datetime = _time()
    joined_seq: int = _integer()
    left_seq: int | None = _integer(nullable=True)
    delivered_seq: int = _integer(default=0)
    read_seq: int = _integer(default=0)
    # What others are shown of the positions: the same, but that it stands still while one blocks
    # the other in a chat.
    shown_delivered_seq: int = _integer(default=0)
    shown_read_seq: int = _integer(default=0)
    muted_until: datetime | None = _time(nullable=True)
    # Marks of a chat, copied from the member's own facts so that a send or a page reads no other
    # family:
    # they have blocked the other; they hide read receipts; they have said something here.
    blocks: bool = _flag()
    hides_receipts: bool = _flag()
    has_sent: bool = _flag()


class GroupRow(SQLModel, table=True):
    """What a group is called and how it looks."""

    __tablename__ = "groups"

    channel_id: UUID = _key()
    name: str = _text()
    description: str | None = _text(nullable=True)
    creator_id: UUID = _id()
    # SHA-256 of the input it was created with: creating it again must say the same.
    draft_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    # Set when the last member has left.
    closed_at: datetime | None = _time(nullable=True)
    # As of a user.
    avatar: dict[str, Any] | None = _json()


class InviteRow(SQLModel, table=True):
    """A link into a group. The token holds the channel's id, so that it is found by it."""

    __tablename__ = "invites"

    channel_id: UUID = _key()
    token: str = Field(sa_column=Column(Text, primary_key=True))
    created_at: datetime = _time()
    created_by: UUID = _id()
    expires_at: datetime | None = _time(nullable=True)
    uses_left: int | None = _integer(nullable=True)
    revoked_at: datetime | None = _time(nullable=True)


class MessageRow(SQLModel, table=True):
    """What a member said. `details` holds what few messages have: location, mentions, system
    notice.
    """

    __tablename__ = "messages"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("channel_id", "sender_id", "client_message_id"),
    )

    channel_id: UUID = _key()
    seq: int = Field(sa_type=Integer, primary_key=True)
    kind: int = Field(sa_column=Column(SmallInteger, nullable=False))
    sender_id: UUID | None = _id(nullable=True)
    client_message_id: str | None = _text(nullable=True)
    # SHA-256 of the draft as it was sent: a repeat must be the same draft.
    draft_hash: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    text: str | None = _text(nullable=True)
    reply_to_seq: int | None = _integer(nullable=True)
    details: dict[str, Any] | None = Field(sa_column=Column(JSONB, nullable=True))
    # [[user id, emoji], …] in the order of reacting; one a member.
    reactions: list[Any] | None = Field(sa_column=Column(JSONB, nullable=True))
    sent_at: datetime = _time()
    edited_at: datetime | None = _time(nullable=True)
    deleted_at: datetime | None = _time(nullable=True)


class ChangeRow(SQLModel, table=True):
    """An entry of the log that changes a message: `kind` as in models.log.Change."""

    __tablename__ = "changes"

    channel_id: UUID = _key()
    seq: int = Field(sa_type=Integer, primary_key=True)
    kind: int = _small()
    message_seq: int = _integer()
    actor_id: UUID = _id()
    at: datetime = _time()


class SearchHeadRow(SQLModel, table=True):
    """How far a channel is indexed for search: every block up to `built_seq` is there. Its lock
    orders who builds a block and who changes a message of it.
    """

    __tablename__ = "search_heads"

    channel_id: UUID = _key()
    built_seq: int = _integer()


class SearchBlockRow(SQLModel, table=True):
    """The words of a block of 128 entries of a log: `block` n holds the seqs after 128 n. A word's
    positions are the seqs of its messages, counted within the block. Null where it is too much to
    index: whoever searches looks at the messages.
    """

    __tablename__ = "search_blocks"

    channel_id: UUID = _key()
    block: int = Field(sa_type=Integer, primary_key=True)
    # No message of the block was sent before the one, or after the other.
    earliest_at: datetime = _time()
    latest_at: datetime = _time()
    words: str | None = Field(sa_column=Column(TSVECTOR, nullable=True))


class ReceiptRow(SQLModel, table=True):
    """One forward move of a position: `kind` 1 delivered, 2 read."""

    __tablename__ = "receipts"

    channel_id: UUID = _key()
    user_id: UUID = _key()
    kind: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    up_to_seq: int = Field(sa_type=Integer, primary_key=True)
    at: datetime = _time()


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

    channel_id: UUID = _key()
    id: UUID = _key()
    created_at: datetime = Field(
        sa_column=Column(TIMESTAMP(timezone=True), nullable=False, server_default=text("now()"))
    )
    settled_at: datetime | None = _time(nullable=True)
    entry_channel_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    entry_seqs: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    recipient_channel_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    recipient_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    recipient_joined_seqs: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    # When a worker looked whether its recipients have it, or need a push.
    checked_at: datetime | None = _time(nullable=True)
