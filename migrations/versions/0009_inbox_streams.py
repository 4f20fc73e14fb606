"""Streams of the inbox that clients name, and what was acknowledged under each name.

Before or after the code is deployed: before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox_streams",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("began", sa.LargeBinary(), nullable=True),
        sa.Column("acknowledged", sa.LargeBinary(), nullable=True),
        sa.Column("used_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id", "stream_id", name=op.f("pk_inbox_streams")),
    )


def downgrade() -> None:
    op.drop_table("inbox_streams")
