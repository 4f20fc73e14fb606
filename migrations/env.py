"""Alembic's entry: runs the migrations over asyncpg, on the URL that the caller put into the
configuration.
"""

import asyncio
import functools

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from models.postgresql.distribution import IS_DISTRIBUTED, list_statements
from models.postgresql.hosts import open_connection
from models.tables import metadata


def _is_ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
    """Leave out the tables of pgqueuer, which the release before used."""
    return not (kind == "table" and (name or "").startswith("pgqueuer"))


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        include_object=_is_ours,
    )
    with context.begin_transaction():
        # Wait for a lock no longer than users would; one migrator at a time.
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(7274921)"))
        context.run_migrations()
        shards = context.config.attributes.get("shards")
        if shards and connection.execute(text(IS_DISTRIBUTED)).scalar():
            for statement in list_statements(shards):
                connection.execute(text(statement))


async def _connect() -> None:
    url = context.config.attributes["database_url"]
    # SQLAlchemy cannot read a URL of several hosts.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=functools.partial(open_connection, url),
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_connect())
