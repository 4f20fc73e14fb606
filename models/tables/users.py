"""Rows keyed by `user_id` first, and what is found by a number, a token or a key of its own."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
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


class UserRow(SQLModel, table=True):
    """A person with an account."""

    __tablename__ = "users"

    id: UUID = key()
    name: str = text_column()
    about: str | None = text_column(nullable=True)
    created_at: datetime = time_column()
    # Privacy: 1 everyone, 2 contacts, 3 nobody.
    last_seen_audience: int = small_column(default=1)
    add_to_groups_audience: int = small_column(default=1)
    read_receipts: bool = flag_column("true")
    # When Valkey last let go of their presence; null when never seen.
    last_seen_at: datetime | None = time_column(nullable=True)
    # A copy of the media row of their picture, which does not change once it is one.
    avatar: dict[str, Any] | None = json_column()


class PhoneNumberRow(SQLModel, table=True):
    """Whose a number is; a row of its own, since it is looked up by the number."""

    __tablename__ = "phone_numbers"

    number: str = Field(sa_column=Column(Text, primary_key=True))
    user_id: UUID = id_column()


class UserPhoneRow(SQLModel, table=True):
    """The same fact keyed by user, written in the same transaction."""

    __tablename__ = "user_phone_numbers"

    user_id: UUID = key()
    number: str = text_column()


class ContactRow(SQLModel, table=True):
    """`user_id` already knew the number of `contact_id`: contact discovery found it."""

    __tablename__ = "contacts"

    user_id: UUID = key()
    contact_id: UUID = key()


class BlockRow(SQLModel, table=True):
    """`user_id` has blocked `blocked_id`; the same is marked on their member row of the chat."""

    __tablename__ = "blocks"

    user_id: UUID = key()
    blocked_id: UUID = key()
    at: datetime = time_column()


class BlockedByRow(SQLModel, table=True):
    """The same fact keyed by the one who is blocked, written in the same transaction."""

    __tablename__ = "blocked_by"

    user_id: UUID = key()
    blocker_id: UUID = key()


class ReportRow(SQLModel, table=True):
    """What a user reported, with a copy of the message as it was."""

    __tablename__ = "reports"

    user_id: UUID = key()
    id: UUID = key()
    reported_user_id: UUID | None = id_column(nullable=True)
    channel_id: UUID | None = id_column(nullable=True)
    seq: int | None = integer_column(nullable=True)
    message: dict[str, Any] | None = Field(sa_column=Column(JSONB, nullable=True))
    reason: str = text_column()
    at: datetime = time_column()


class DeviceRow(SQLModel, table=True):
    """One signed-in installation. `generation` numbers its token pairs; see
    models/devices/token_generations.py.
    """

    __tablename__ = "devices"
    __table_args__: ClassVar[Any] = (
        # For the processes of the release before, which write no `revocations`.
        Index(
            "ix_devices_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")
        ),
    )

    user_id: UUID = key()
    id: UUID = key()
    name: str = text_column()
    platform: str = text_column()
    created_at: datetime = time_column()
    last_active_at: datetime = time_column()
    generation: int = integer_column(default=1)
    # When a token of the newest pair was first accepted; null while it never was.
    generation_accepted_at: datetime | None = time_column(nullable=True)
    # When the generations before it were, newest first: only those still within the grace are kept.
    earlier_accepted_at: list[datetime] = Field(
        sa_column=Column(
            ARRAY(TIMESTAMP(timezone=True)), nullable=False, server_default=text("'{}'")
        )
    )
    refreshed_at: datetime = time_column()
    # Up to when the newest access token holds: open sockets of the device live until then.
    access_expires_at: datetime = time_column()
    revoked_at: datetime | None = time_column(nullable=True)


class SignInCodeRow(SQLModel, table=True):
    """One request for a code. Those of a number in force live side by side."""

    __tablename__ = "sign_in_codes"

    number: str = Field(sa_column=Column(Text, primary_key=True))
    # SHA-256 of the secret that the request was answered with.
    secret_digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    # 1 to sign in.
    purpose: int = small_column()
    code_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    # A keyed digest of the number and the address that asked.
    asked_from: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    # Whether that was a network where the number's owner had been.
    known: bool = flag_column()
    requested_at: datetime = time_column()
    expires_at: datetime = time_column()
    tries_left: int = integer_column()


class KnownNetworkRow(SQLModel, table=True):
    """A network where the user was let in: a keyed digest of both."""

    __tablename__ = "known_networks"

    user_id: UUID = key()
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    seen_at: datetime = time_column()


class BudgetRow(SQLModel, table=True):
    """What was spent under a key, in the window that began at `window_start`, and in the one before
    it.
    """

    __tablename__ = "budgets"

    key: str = Field(sa_column=Column(Text, primary_key=True))
    window_start: datetime = time_column()
    spent: int = integer_column(default=0)
    spent_before: int = integer_column(default=0)


class UserChannelRow(SQLModel, table=True):
    """A user's own list of channels; the row stays when they leave."""

    __tablename__ = "user_channels"

    user_id: UUID = key()
    channel_id: UUID = key()
    # The entry that took them out; null while they are in.
    left_seq: int | None = integer_column(nullable=True)


class DevicePositionRow(SQLModel, table=True):
    """How far a device has stored a channel's log: its inbox resumes after it."""

    __tablename__ = "device_positions"

    user_id: UUID = key()
    device_id: UUID = key()
    channel_id: UUID = key()
    delivered_seq: int = integer_column()


class InboxStreamRow(SQLModel, table=True):
    """A stream of the inbox that its client has named, and what was acknowledged under the name.
    Positions are packed as in `models/log/streams/cursors.py`.
    """

    __tablename__ = "inbox_streams"

    user_id: UUID = key()
    device_id: UUID = key()
    stream_id: str = Field(sa_column=Column(Text, primary_key=True))
    # Where the device stood when the name was first used; null once the stream is forgotten.
    began: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    acknowledged: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    used_at: datetime = time_column()
