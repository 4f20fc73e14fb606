"""Functions that index blocks of a log on one PostgreSQL and on Citus.

Before or after the code is deployed: before.
"""

from alembic import op

from migrations.scripts import read_functions

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in read_functions(revision).values():
        op.execute(statement)


def downgrade() -> None:
    for name in read_functions(revision):
        op.execute(f"DROP FUNCTION {name}")
