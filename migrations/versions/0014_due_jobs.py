"""Jobs that are due, stored with what they belong to and queued after its commit.

Before or after the code is deployed: before. Processes of the release before go on queueing jobs in
the transaction of what they belong to.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "due_jobs",
        sa.Column("bucket", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("jobs", sa.LargeBinary(), nullable=False),
        _now("at"),
        sa.PrimaryKeyConstraint("bucket", "id", name=op.f("pk_due_jobs")),
        # Its rows live for a moment.
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0.01,
            "autovacuum_vacuum_threshold": 1000,
        },
    )
    op.create_index("ix_due_jobs_bucket_at", "due_jobs", ["bucket", "at"])
    op.create_table(
        "queued_due_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        _now("at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queued_due_jobs")),
    )
    op.create_index("ix_queued_due_jobs_at", "queued_due_jobs", ["at"])


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name,
        postgresql.TIMESTAMP(timezone=True),
        server_default=sa.text("now()"),
        nullable=False,
    )


def downgrade() -> None:
    """Drop both tables. Jobs that are due and not queued yet are lost: stop all processes first,
    and see that `due_jobs` is empty.
    """
    op.drop_table("queued_due_jobs")
    op.drop_table("due_jobs")
