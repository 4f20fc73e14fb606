"""Codes that live side by side, each with its request's secret, and known networks.

Before or after the code is deployed: with it. Codes in force are of no use afterwards.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False, server_default=""),
        sa.Column("purpose", sa.SmallInteger(), nullable=False, server_default="1"),
        sa.Column("asked_from", sa.LargeBinary(), nullable=False, server_default=""),
    ):
        op.add_column("sign_in_codes", column)
        # The default is for the rows of before.
        op.alter_column("sign_in_codes", column.name, server_default=None)
    op.add_column(
        "sign_in_codes",
        sa.Column("known", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.drop_constraint("pk_sign_in_codes", "sign_in_codes")
    op.create_primary_key("pk_sign_in_codes", "sign_in_codes", ["number", "secret_digest"])
    op.create_table(
        "known_networks",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_known_networks")),
    )


def downgrade() -> None:
    op.drop_table("known_networks")
    # A number has one code again.
    op.execute("DELETE FROM sign_in_codes")
    op.drop_constraint("pk_sign_in_codes", "sign_in_codes")
    op.create_primary_key("pk_sign_in_codes", "sign_in_codes", ["number"])
    for name in ("secret_digest", "purpose", "asked_from", "known"):
        op.drop_column("sign_in_codes", name)
