"""Mail addresses that are confirmed before they are pushed to.

Before or after the code is deployed: before. Mail addresses of before are not confirmed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "push_endpoints",
        sa.Column("confirmed", sa.Boolean(), nullable=False, server_default=sa.text("true")),
    )
    op.execute("UPDATE push_endpoints SET confirmed = false WHERE kind = 'EMAIL'")
    op.create_table(
        "push_mails",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("confirmed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("refused_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_push_mails")),
    )


def downgrade() -> None:
    op.drop_table("push_mails")
    op.drop_column("push_endpoints", "confirmed")
