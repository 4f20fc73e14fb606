"""Tables of push, keyed by user: endpoints, mail addresses, settings, what is shown, and gates."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    Column,
    LargeBinary,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.tables.columns import (
    flag_column,
    id_column,
    integer_column,
    key,
    small_column,
    text_column,
    time_column,
)


class PushEndpointRow(SQLModel, table=True):
    """Where a device that follows nothing is reached. It ends with the device."""

    __tablename__ = "push_endpoints"

    user_id: UUID = key()
    device_id: UUID = key()
    # APNS, FCM, WEB_PUSH, EMAIL, SMS; the address as that provider needs it.
    kind: str = text_column()
    address: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    # False for a mail address whose code was not given back: nothing is pushed there.
    confirmed: bool = flag_column("true")
    set_at: datetime = time_column()


class PushMailRow(SQLModel, table=True):
    """A mail address that a user wants digests at."""

    __tablename__ = "push_mails"

    user_id: UUID = key()
    # SHA-256 of the address.
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    address: str = text_column()
    confirmed_at: datetime | None = time_column(nullable=True)
    # When its owner said that they did not ask for a code.
    refused_at: datetime | None = time_column(nullable=True)
    # What the code follows from; empty while none is in force.
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    asked_at: datetime = time_column()
    expires_at: datetime = time_column()
    tries_left: int = integer_column()


class PushAddressRow(SQLModel, table=True):
    """Whose a token is: of one device, the last that set it. Found by its digest (SHA-256 of the
    kind and the token).
    """

    __tablename__ = "push_addresses"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    user_id: UUID = id_column()
    device_id: UUID = id_column()


class PushSettingsRow(SQLModel, table=True):
    """How a device wants to be pushed to; without a row, as the defaults say."""

    __tablename__ = "push_settings"

    user_id: UUID = key()
    device_id: UUID = key()
    # What a push shows: 1 that there is something, 2 who it is from, 3 what they say.
    preview: int = small_column(default=3)
    # Whether a mention is pushed though the channel is muted.
    mentions_when_muted: bool = flag_column("true")
    # Quiet hours, in minutes after midnight of the time zone; null when there are none.
    quiet_from: int | None = integer_column(nullable=True)
    quiet_until: int | None = integer_column(nullable=True)
    time_zone: str | None = text_column(nullable=True)


class PushStateRow(SQLModel, table=True):
    """What a device should show of a channel, and what it was told to show last."""

    __tablename__ = "push_states"
    __table_args__: ClassVar[Any] = {"postgresql_with": {"fillfactor": "50"}}

    user_id: UUID = key()
    device_id: UUID = key()
    channel_id: UUID = key()
    # The newest entry that a push is wanted for, or that a job has seen since.
    wanted_seq: int = integer_column(default=0)
    # When the job that waits is due; null while none waits. Whoever begins the job clears it first.
    due_at: datetime | None = time_column(nullable=True)
    # Since when a job is at it; null once what it did is written.
    claimed_at: datetime | None = time_column(nullable=True)
    # How often its provider has failed since it last answered.
    failures: int = small_column(default=0)
    # The newest message that was shown; 0 when nothing is on the device's screen.
    shown_seq: int = integer_column(default=0)
    shown_at: datetime | None = time_column(nullable=True)
    # When the message had last been edited that was shown; null when it had not.
    shown_edited_at: datetime | None = time_column(nullable=True)


class PushGateRow(SQLModel, table=True):
    """A provider's project, host or origin, or one device's token, that is to be left alone for a
    while. Kept where the queue of jobs is, as is `push_parked`.
    """

    __tablename__ = "push_gates"

    key: str = Field(sa_column=Column(Text, primary_key=True))
    # When one job may try.
    closed_until: datetime = time_column()
    # Since when no answer came.
    since: datetime = time_column()
    # Since when pushes go through again; null while it is closed.
    opened_at: datetime | None = time_column(nullable=True)
    # When a worker last let some of those go that are parked here.
    looked_at: datetime | None = time_column(nullable=True)


class PushParkedRow(SQLModel, table=True):
    """A device's view of a channel whose job waits at a gate."""

    __tablename__ = "push_parked"

    gate: str = Field(sa_column=Column(Text, primary_key=True))
    user_id: UUID = key()
    device_id: UUID = key()
    channel_id: UUID = key()
    kind: str = text_column()
