"""Media, the tables of jobs (those of pgqueuer 1.6.0), and push.

Before or after the code is deployed: before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.scripts import read_statements

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in read_statements(revision, "pgqueuer/install.sql"):
        op.execute(statement)
    # Its rows come and go by the second: vacuumed by their number, not by a share of the table.
    op.execute(
        "ALTER TABLE pgqueuer SET (autovacuum_vacuum_scale_factor = 0.01, "
        "autovacuum_vacuum_threshold = 1000, fillfactor = 70)"
    )
    op.create_table(
        "media",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("byte_size", sa.Integer(), nullable=False),
        sa.Column("parts_id", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("completed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("used_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("content_id", sa.Uuid(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("placeholder", sa.Text(), nullable=True),
        sa.Column("renditions", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
    )
    op.create_index(
        "ix_media_completed_at",
        "media",
        ["completed_at"],
        unique=False,
        postgresql_where=sa.text("state = 3"),
    )
    op.create_index("ix_media_content_digest", "media", ["content_digest"], unique=False)
    op.create_index("ix_media_content_id", "media", ["content_id"], unique=False)
    op.create_index(
        "ix_media_unused",
        "media",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("used_at IS NULL"),
    )
    op.create_table(
        "media_contents",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content_id", sa.Uuid(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("placeholder", sa.Text(), nullable=True),
        sa.Column("renditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_media_contents")),
    )
    op.create_index("ix_media_contents_content_id", "media_contents", ["content_id"], unique=False)
    op.create_table(
        "media_stored",
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("media_id", "user_id", name=op.f("pk_media_stored")),
    )
    op.create_table(
        "media_uses",
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("holder_kind", sa.SmallInteger(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_message_id", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "media_id",
            "holder_kind",
            "holder_id",
            "user_id",
            "client_message_id",
            name=op.f("pk_media_uses"),
        ),
    )
    op.create_index("ix_media_uses_at", "media_uses", ["at"], unique=False)
    op.create_table(
        "push_addresses",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_push_addresses")),
    )
    op.create_table(
        "push_endpoints",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("set_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id", name=op.f("pk_push_endpoints")),
    )
    op.create_table(
        "push_settings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("preview", sa.SmallInteger(), server_default=sa.text("3"), nullable=False),
        sa.Column(
            "mentions_when_muted", sa.Boolean(), server_default=sa.text("true"), nullable=False
        ),
        sa.Column("quiet_from", sa.Integer(), nullable=True),
        sa.Column("quiet_until", sa.Integer(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "device_id", name=op.f("pk_push_settings")),
    )
    op.create_table(
        "push_states",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("wanted_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("claimed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("failures", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("shown_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("shown_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "device_id", "channel_id", name=op.f("pk_push_states")),
        postgresql_with={"fillfactor": "50"},
    )
    op.add_column(
        "groups", sa.Column("avatar", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.add_column(
        "outbox", sa.Column("checked_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column(
        "users", sa.Column("avatar", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("users", "avatar")
    op.drop_column("outbox", "checked_at")
    op.drop_column("groups", "avatar")
    op.drop_table("push_states")
    op.drop_table("push_settings")
    op.drop_table("push_endpoints")
    op.drop_table("push_addresses")
    op.drop_index("ix_media_uses_at", table_name="media_uses")
    op.drop_table("media_uses")
    op.drop_table("media_stored")
    op.drop_index("ix_media_contents_content_id", table_name="media_contents")
    op.drop_table("media_contents")
    op.drop_index(
        "ix_media_unused", table_name="media", postgresql_where=sa.text("used_at IS NULL")
    )
    op.drop_index("ix_media_content_id", table_name="media")
    op.drop_index("ix_media_content_digest", table_name="media")
    op.drop_index(
        "ix_media_completed_at", table_name="media", postgresql_where=sa.text("state = 3")
    )
    op.drop_table("media")
    for statement in read_statements(revision, "pgqueuer/uninstall.sql"):
        op.execute(statement)
