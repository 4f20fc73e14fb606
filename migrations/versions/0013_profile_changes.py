"""Profiles that have changed, in one place, for all processes to ask.

Before or after the code is deployed: before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.scripts import read_functions

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Citus takes no trigger, and the release before never ran on it.
TRIGGER = """
DO $body$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        CREATE TRIGGER note_profile AFTER UPDATE OF name, about, avatar OR DELETE ON users
        FOR EACH ROW EXECUTE FUNCTION note_profile();
    END IF;
END $body$
"""


def upgrade() -> None:
    op.create_table(
        "profile_changes",
        sa.Column("bucket", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "at", "user_id", name=op.f("pk_profile_changes")),
    )
    for statement in read_functions(revision).values():
        op.execute(statement)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS note_profile ON users")
    op.execute("DROP FUNCTION note_profile")
    op.drop_table("profile_changes")
