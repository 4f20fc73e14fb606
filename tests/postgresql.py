"""Another PostgreSQL than the wheel's for tests: `make test POSTGRESQL=/usr/lib/postgresql/15`."""

import secrets
from pathlib import Path

from parley.embedded.postgresql import NAME, PostgreSQL
from parley.ports import free_port


class InstalledPostgreSQL(PostgreSQL):
    """One that is installed on this machine, of version 15 or later."""

    def __init__(self, folder: Path, installation: Path) -> None:
        super().__init__(
            folder,
            folder / "logs" / "postgresql.log",
            port=free_port(),
            password=secrets.token_hex(16),
            durable=False,
            installation=installation,
        )

    def initdb_arguments(self, directory: Path) -> list[str]:
        """Use what version 15 knows; letters are those of Unicode there, too."""
        return [
            f"--pgdata={directory}",
            "--no-sync",
            "--no-instructions",
            "--encoding=UTF8",
            "--locale=C",
            "--lc-ctype=C.UTF-8",
            f"--username={NAME}",
            "--auth=scram-sha-256",
            "--pwfile=/dev/stdin",
        ]
