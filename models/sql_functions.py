"""The SQL functions of hot paths: files in `models/sql`, installed by migrations, compared by `make
check`.
"""

from pathlib import Path

from models.postgresql.database import Database

SQL_DIR = Path(__file__).resolve().parent / "sql"


def list_functions() -> dict[str, str]:
    """Name to its `CREATE OR REPLACE FUNCTION` statement."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(SQL_DIR.glob("*.sql"))}


def body_of(statement: str) -> str:
    """Return the part of the statement that PostgreSQL keeps in `pg_proc.prosrc`."""
    return statement.split("$body$")[1]


async def list_installed_functions(database: Database) -> dict[str, str]:
    """Return the bodies, by name, of the functions that migrations put into the database."""
    rows = await database.fetch(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND "
        "probin IS NULL AND proname NOT LIKE '%pgqueuer%'"
    )
    return {row["proname"]: row["prosrc"] for row in rows}
