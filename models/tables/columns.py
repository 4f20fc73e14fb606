"""Columns as all tables have them, and how their keys and indexes are called."""

from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
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


def key() -> Any:
    return Field(sa_type=Uuid, primary_key=True)


def bucket_key() -> Any:
    """Return the column of a number under which rows are kept together, in one shard."""
    return Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))


def id_column(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(Uuid, nullable=nullable))


def text_column(*, nullable: bool = False, default: str | None = None) -> Any:
    server_default = None if default is None else text(f"'{default}'")
    return Field(sa_column=Column(Text, nullable=nullable, server_default=server_default))


def time_column(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=nullable))


def integer_column(*, default: int | None = None, nullable: bool = False) -> Any:
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(Integer, nullable=nullable, server_default=server_default))


def small_column(*, default: int | None = None) -> Any:
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(SmallInteger, nullable=False, server_default=server_default))


def json_column() -> Any:
    return Field(sa_column=Column(JSONB, nullable=True))


def flag_column(default: str = "false") -> Any:
    return Field(sa_column_kwargs={"server_default": text(default)})
