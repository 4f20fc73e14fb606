"""Says which migration the code needs, without Alembic: an API process loads neither it nor
SQLAlchemy, which would take 20 MB of each.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def newest_revision() -> str:
    """Return the newest migration's revision: the number that its file's name begins with."""
    files = (ROOT / "migrations" / "versions").glob("[0-9]*.py")
    return max(file.name.partition("_")[0] for file in files)
