"""Tables of media: the files, their contents, where they are shown, and who has stored them."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.tables.columns import (
    id_column,
    integer_column,
    json_column,
    key,
    small_column,
    text_column,
    time_column,
)


class MediaRow(SQLModel, table=True):
    """A file that somebody uploads. `state` and `kind` are MediaState and MediaKind of
    models.media.media.
    """

    __tablename__ = "media"
    __table_args__: ClassVar[Any] = (
        # The sweep asks for what nothing uses, and for what is kept too long; state 3 is READY.
        Index("ix_media_unused", "created_at", postgresql_where=text("used_at IS NULL")),
        Index("ix_media_completed_at", "completed_at", postgresql_where=text("state = 3")),
        Index("ix_media_content_digest", "content_digest"),
        # Storage is compared by folder.
        Index("ix_media_content_id", "content_id"),
    )

    id: UUID = key()
    owner_id: UUID = id_column()
    kind: int = small_column()
    state: int = small_column()
    failure: str | None = text_column(nullable=True)
    file_name: str = text_column()
    # As the owner said; from the content once it is known.
    content_type: str = text_column()
    byte_size: int = integer_column()
    # Storage's name for the upload in parts; null for a single one.
    parts_id: str | None = text_column(nullable=True)
    created_at: datetime = time_column()
    completed_at: datetime | None = time_column(nullable=True)
    # When it was first put into a message or a picture.
    used_at: datetime | None = time_column(nullable=True)
    # The folder of its files in storage. Media of equal content and owner share one.
    content_id: UUID | None = id_column(nullable=True)
    content_digest: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    width: int | None = integer_column(nullable=True)
    height: int | None = integer_column(nullable=True)
    duration_ms: int | None = integer_column(nullable=True)
    placeholder: str | None = text_column(nullable=True)
    renditions: list[Any] | None = json_column()
    # At how many tries the worker died: a file that kills workers is given up.
    tries: int = integer_column(default=0)


class MediaContentRow(SQLModel, table=True):
    """A content that its owner has stored once, and what was made of it. It is found by its digest
    (HMAC of the bytes under kind and owner, with SHA-256).
    """

    __tablename__ = "media_contents"
    __table_args__: ClassVar[Any] = (Index("ix_media_contents_content_id", "content_id"),)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    content_id: UUID = id_column()
    content_type: str = text_column()
    width: int | None = integer_column(nullable=True)
    height: int | None = integer_column(nullable=True)
    duration_ms: int | None = integer_column(nullable=True)
    placeholder: str | None = text_column(nullable=True)
    renditions: list[Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = time_column()


class MediaUseRow(SQLModel, table=True):
    """A place where media is shown. `holder_kind` is HolderKind of models.media.uses: 1 for a
    message of the channel `holder_id` (known by its sender and client id), 2 for the picture of
    that user, 3 for the picture of that group. It is written before its message or picture, so that
    no media is held without a use; a row whose message or picture never came is swept.
    """

    __tablename__ = "media_uses"
    # The sweep looks at each once, when it is old enough.
    __table_args__: ClassVar[Any] = (Index("ix_media_uses_at", "at"),)

    media_id: UUID = key()
    holder_kind: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    holder_id: UUID = key()
    # Who put it there.
    user_id: UUID = key()
    # Of the message; empty for a picture.
    client_message_id: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = time_column()


class MediaStoredRow(SQLModel, table=True):
    """A device of the user has stored the file for itself."""

    __tablename__ = "media_stored"

    media_id: UUID = key()
    user_id: UUID = key()
