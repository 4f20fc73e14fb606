"""What every process reads often: rows of one bucket, and so of one shard."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlmodel import Field, SQLModel

from models.tables.columns import bucket_key, key, text_column, time_column


class RevocationRow(SQLModel, table=True):
    """That a device has ended, for as long as processes may not have heard of it."""

    __tablename__ = "revocations"

    bucket: int = bucket_key()
    at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), primary_key=True))
    user_id: UUID = key()
    device_id: UUID = key()


class DutyRow(SQLModel, table=True):
    """What one process of all does for all, and until when that is whose."""

    __tablename__ = "duties"

    bucket: int = bucket_key()
    name: str = Field(sa_column=Column(Text, primary_key=True))
    holder_id: str = text_column()
    held_until: datetime = time_column()


class ProfileChangeRow(SQLModel, table=True):
    """That a user's profile has changed, or is gone, for processes that keep profiles."""

    __tablename__ = "profile_changes"

    bucket: int = bucket_key()
    at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), primary_key=True))
    user_id: UUID = key()
