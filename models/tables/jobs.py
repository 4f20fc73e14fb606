"""The queue of jobs, which is of no family: its rows name what they are about in their payload. And
what is due, before it is in the queue.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlmodel import Field, SQLModel

from models.tables.columns import (
    bucket_key,
    id_column,
    integer_column,
    json_column,
    key,
    text_column,
)

# What a dedupe key holds for: a job that waits or runs.
IS_OPEN = "state IN ('waiting', 'running')"
_NOW = text("now()")


def _now_column() -> Any:
    column = Column(TIMESTAMP(timezone=True), nullable=False, server_default=_NOW)
    return Field(sa_column=column)


class JobRow(SQLModel, table=True):
    """A job. `state`: waiting (for a worker, from `due_at` on), running, or failed, which is set
    aside for a person. A job that is done has no row.
    """

    __tablename__ = "jobs"
    __table_args__: ClassVar[Any] = (
        Index("ix_jobs_due", "kind", "due_at", postgresql_where=text("state = 'waiting'")),
        Index(
            "ix_jobs_turn",
            "kind",
            text("turn DESC"),
            "id",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_jobs_seen", "kind", "seen_at", postgresql_where=text("state = 'running'")),
        Index("ix_jobs_worker_id", "worker_id", postgresql_where=text("worker_id IS NOT NULL")),
        Index(
            "uq_jobs_dedupe_key",
            "dedupe_key",
            unique=True,
            postgresql_where=text(f"{IS_OPEN} AND dedupe_key IS NOT NULL"),
        ),
        # Its rows come and go by the second: vacuumed by their number, not by a share of the table.
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": 0.01,
                "autovacuum_vacuum_threshold": 1000,
                "fillfactor": 70,
            }
        },
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    kind: str = text_column()
    # JSON of ids and numbers, never of what people say.
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    # The number of the owner, where owners take turns; 0 where nobody owns it.
    turn: int = integer_column(default=0)
    dedupe_key: str | None = text_column(nullable=True)
    state: str = text_column(default="waiting")
    due_at: datetime = _now_column()
    # How often it was taken.
    tries: int = integer_column(default=0)
    # The worker that runs it, and when that last said so.
    worker_id: UUID | None = id_column(nullable=True)
    seen_at: datetime = _now_column()
    # When its state last changed.
    changed_at: datetime = _now_column()
    # What went wrong last: its class and a sentence of ours.
    fault: dict[str, Any] | None = json_column()


class DueJobsRow(SQLModel, table=True):
    """Jobs that a transaction has made due, stored by it and in its database, until they are known
    to be in the queue (models/jobs/due.py).
    """

    __tablename__ = "due_jobs"
    __table_args__: ClassVar[Any] = (
        Index("ix_due_jobs_bucket_at", "bucket", "at"),
        # Its rows live for a moment.
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": 0.01,
                "autovacuum_vacuum_threshold": 1000,
            }
        },
    )

    bucket: int = bucket_key()
    id: UUID = key()
    # JSON, as models/jobs/due.py has it.
    jobs: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime = _now_column()


class QueuedDueJobsRow(SQLModel, table=True):
    """That the jobs of a row of `due_jobs` are in the queue or were, in the queue's database: what
    is queued twice is so once.
    """

    __tablename__ = "queued_due_jobs"
    __table_args__: ClassVar[Any] = (Index("ix_queued_due_jobs_at", "at"),)

    id: UUID = key()
    at: datetime = _now_column()
