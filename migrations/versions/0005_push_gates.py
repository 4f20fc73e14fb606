"""Gates that are closed for all workers, and the pushes that wait at them.

Before or after the code is deployed: before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "push_gates",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("closed_until", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("looked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_push_gates")),
    )
    op.create_table(
        "push_parked",
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "gate", "user_id", "device_id", "channel_id", name=op.f("pk_push_parked")
        ),
    )


def downgrade() -> None:
    op.drop_table("push_parked")
    op.drop_table("push_gates")
