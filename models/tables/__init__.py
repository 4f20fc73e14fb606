"""The schema of record: every table, as SQLModel classes that Alembic compares with the database.

Families (ARCHITECTURE.md): rows keyed by `channel_id` first, rows keyed by `user_id` first, and
rows keyed by a media file. No key, join or foreign key crosses from one to the other, so that the
same SQL runs on one PostgreSQL and distributed over many. Hot paths do not use these classes; they
are hand-written SQL beside the rules they serve.
"""

from models.tables import channels, jobs, media, processes, push, users
from models.tables.columns import metadata

__all__ = ["channels", "jobs", "media", "metadata", "processes", "push", "users"]
