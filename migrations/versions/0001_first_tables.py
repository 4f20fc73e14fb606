"""The first tables and functions; the functions' text is in migrations/sql/0001.

Before or after the code is deployed: before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.scripts import read_functions

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blocked_by",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("blocker_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "blocker_id", name=op.f("pk_blocked_by")),
    )
    op.create_table(
        "blocks",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("blocked_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "blocked_id", name=op.f("pk_blocks")),
    )
    op.create_table(
        "budgets",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("window_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("spent", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("spent_before", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_budgets")),
    )
    op.create_table(
        "changes",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("message_seq", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "seq", name=op.f("pk_changes")),
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "contacts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "contact_id", name=op.f("pk_contacts")),
    )
    op.create_table(
        "device_positions",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("delivered_seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "user_id", "device_id", "channel_id", name=op.f("pk_device_positions")
        ),
    )
    op.create_table(
        "devices",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_active_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("generation_accepted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "earlier_accepted_at",
            sa.ARRAY(postgresql.TIMESTAMP(timezone=True)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("refreshed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("access_expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_devices")),
    )
    op.create_index(
        "ix_devices_revoked_at",
        "devices",
        ["revoked_at"],
        unique=False,
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.create_table(
        "groups",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("draft_hash", sa.LargeBinary(), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_groups")),
    )
    op.create_table(
        "invites",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("uses_left", sa.Integer(), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", "token", name=op.f("pk_invites")),
    )
    op.create_table(
        "members",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("joined_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("joined_seq", sa.Integer(), nullable=False),
        sa.Column("left_seq", sa.Integer(), nullable=True),
        sa.Column("delivered_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("read_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("shown_delivered_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("shown_read_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("muted_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("blocks", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("hides_receipts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("has_sent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "user_id", name=op.f("pk_members")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "messages",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=True),
        sa.Column("client_message_id", sa.Text(), nullable=True),
        sa.Column("draft_hash", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("reply_to_seq", sa.Integer(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reactions", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("sent_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("edited_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", "seq", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "channel_id",
            "sender_id",
            "client_message_id",
            name=op.f("uq_messages_channel_id_sender_id_client_message_id"),
        ),
    )
    op.create_table(
        "outbox",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("settled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("entry_channel_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("entry_seqs", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("recipient_channel_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("recipient_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("recipient_joined_seqs", sa.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "id", name=op.f("pk_outbox")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"], unique=False)
    op.create_table(
        "phone_numbers",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_phone_numbers")),
    )
    op.create_table(
        "receipts",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("up_to_seq", sa.Integer(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "channel_id", "user_id", "kind", "up_to_seq", name=op.f("pk_receipts")
        ),
    )
    op.create_table(
        "reports",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reported_user_id", sa.Uuid(), nullable=True),
        sa.Column("channel_id", sa.Uuid(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("message", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_reports")),
    )
    op.create_table(
        "search_blocks",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("earliest_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("latest_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", "block", name=op.f("pk_search_blocks")),
    )
    op.create_table(
        "search_heads",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("built_seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_search_heads")),
    )
    op.create_table(
        "sign_in_codes",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("requested_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sign_in_codes")),
    )
    op.create_table(
        "user_channels",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("left_seq", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "channel_id", name=op.f("pk_user_channels")),
    )
    op.create_table(
        "user_phone_numbers",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_phone_numbers")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "last_seen_audience", sa.SmallInteger(), server_default=sa.text("1"), nullable=False
        ),
        sa.Column(
            "add_to_groups_audience", sa.SmallInteger(), server_default=sa.text("1"), nullable=False
        ),
        sa.Column("read_receipts", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    for statement in read_functions(revision).values():
        op.execute(statement)


def downgrade() -> None:
    for name in read_functions(revision):
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table("users")
    op.drop_table("user_phone_numbers")
    op.drop_table("user_channels")
    op.drop_table("sign_in_codes")
    op.drop_table("search_heads")
    op.drop_table("search_blocks")
    op.drop_table("reports")
    op.drop_table("receipts")
    op.drop_table("phone_numbers")
    op.drop_index("ix_outbox_created_at", table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("messages")
    op.drop_table("members")
    op.drop_table("invites")
    op.drop_table("groups")
    op.drop_index(
        "ix_devices_revoked_at",
        table_name="devices",
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.drop_table("devices")
    op.drop_table("device_positions")
    op.drop_table("contacts")
    op.drop_table("channels")
    op.drop_table("changes")
    op.drop_table("budgets")
    op.drop_table("blocks")
    op.drop_table("blocked_by")
