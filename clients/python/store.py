"""Where a client keeps what must survive its end: JSON values by key.

Anything that can load all rows, and save some of them whole or not at all, will do.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Store(Protocol):
    def load(self) -> dict[str, Any]:
        """Return all rows."""

    def save(self, rows: Mapping[str, Any]) -> None:
        """Write all these rows, or, if it is interrupted, none of them. None deletes a row.

        They are on the disk when it returns: what is acknowledged after it is never lost.
        """


class MemoryStore:
    """Rows that end with the process."""

    def __init__(self) -> None:
        self._rows: dict[str, str] = {}

    def load(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self._rows.items()}

    def save(self, rows: Mapping[str, Any]) -> None:
        for key, value in rows.items():
            self._rows[key] = json.dumps(value)
        self._rows = {key: value for key, value in self._rows.items() if value != "null"}


class FileStore:
    """Rows in one SQLite file, of the standard library. Only its owner may read it: tokens."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)
        with closing(self._open()) as connection, connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, value TEXT)")

    def load(self) -> dict[str, Any]:
        with closing(self._open()) as connection:
            rows = connection.execute("SELECT key, value FROM rows ORDER BY key").fetchall()
        return {key: json.loads(value) for key, value in rows}

    def save(self, rows: Mapping[str, Any]) -> None:
        gone = [(key,) for key, value in rows.items() if value is None]
        kept = [(key, json.dumps(value)) for key, value in rows.items() if value is not None]
        with closing(self._open()) as connection, connection:
            connection.executemany("DELETE FROM rows WHERE key = ?", gone)
            connection.executemany("REPLACE INTO rows VALUES (?, ?)", kept)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path)
