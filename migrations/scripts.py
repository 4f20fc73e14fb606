"""Reads the SQL of a revision: files in `migrations/sql/<revision>`, which never change."""

from pathlib import Path

SQL_DIR = Path(__file__).resolve().parent / "sql"


def read_functions(revision: str) -> dict[str, str]:
    """Return the name of each function that the revision brings, and its `CREATE` statement."""
    folder = SQL_DIR / revision
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}


def read_statements(revision: str, name: str) -> list[str]:
    """Return the statements of a script, for a driver that takes one at a time.

    Only `$$` may quote a semicolon, and no comment may hold one.
    """
    script = (SQL_DIR / revision / name).read_text(encoding="utf-8")
    statements, quoted, kept = [], False, ""
    for piece in script.split(";"):
        quoted ^= piece.count("$$") % 2 == 1
        kept += piece
        if quoted:
            kept += ";"
            continue
        # What is left between two statements may be no more than comments.
        if any(line.strip() and not line.lstrip().startswith("--") for line in kept.splitlines()):
            statements.append(kept.strip())
        kept = ""
    return statements
