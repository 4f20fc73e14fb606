"""A queue of jobs that is our own table, in place of pgqueuer's.

Before or after the code is deployed: before. What waits or was set aside moves, and what runs is
queued again, which costs no try. Processes of the release before go on queueing jobs: a trigger
passes them on. Their workers find nothing any more, so new ones should come soon. The release after
this drops pgqueuer's tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.scripts import read_functions

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create()
    for statement in read_functions(revision).values():
        op.execute(statement)
    # Nobody queues a job there from here on: the trigger's lock is held until we commit.
    op.execute(
        "CREATE TRIGGER take_pgqueuer_job BEFORE INSERT ON pgqueuer "
        "FOR EACH ROW EXECUTE FUNCTION take_pgqueuer_job()"
    )
    op.execute(
        """
        INSERT INTO jobs (kind, payload, turn, dedupe_key, state, due_at, tries, changed_at, fault)
        SELECT entrypoint, coalesce(payload, ''), priority, dedupe_key,
            CASE status WHEN 'failed' THEN 'failed' ELSE 'waiting' END,
            CASE status WHEN 'picked' THEN now() ELSE execute_after END,
            CASE status WHEN 'picked' THEN greatest(attempts - 1, 0) ELSE attempts END,
            updated, headers -> 'fault'
        FROM pgqueuer WHERE status IN ('queued', 'picked', 'failed') ORDER BY id
        """
    )
    op.execute("DELETE FROM pgqueuer")


def downgrade() -> None:
    op.execute("DROP TRIGGER take_pgqueuer_job ON pgqueuer")
    op.execute("DROP FUNCTION take_pgqueuer_job()")
    op.execute(
        """
        INSERT INTO pgqueuer (entrypoint, payload, priority, dedupe_key, status, execute_after,
            attempts, updated, headers)
        SELECT kind, payload, turn, dedupe_key,
            (CASE state WHEN 'failed' THEN 'failed' ELSE 'queued' END)::pgqueuer_status,
            CASE state WHEN 'running' THEN now() ELSE due_at END,
            tries, changed_at,
            CASE WHEN fault IS NOT NULL THEN jsonb_build_object('fault', fault) END
        FROM jobs ORDER BY id
        """
    )
    op.drop_table("jobs")


def _create() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("turn", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column(
            "due_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column(
            "seen_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "changed_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("fault", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        # Its rows come and go by the second: vacuumed by their number, not by a share of the table.
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0.01,
            "autovacuum_vacuum_threshold": 1000,
            "fillfactor": 70,
        },
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_jobs_due", "jobs", ["kind", "due_at"], postgresql_where=waiting)
    op.create_index(
        "ix_jobs_turn", "jobs", ["kind", sa.text("turn DESC"), "id"], postgresql_where=waiting
    )
    op.create_index(
        "ix_jobs_seen",
        "jobs",
        ["kind", "seen_at"],
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_jobs_worker_id",
        "jobs",
        ["worker_id"],
        postgresql_where=sa.text("worker_id IS NOT NULL"),
    )
    op.create_index(
        "uq_jobs_dedupe_key",
        "jobs",
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'running') AND dedupe_key IS NOT NULL"),
    )
