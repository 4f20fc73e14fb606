"""`python -m bench.operations.restore`: a base backup under load, an accident, and a restore to the
moment before it. Every log and every table that people notice is compared.
Exit code 1 where one differs.
"""

import asyncio
import json
import secrets
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from examples.client import Api
from examples.server import start_server
from parley.embedded.postgresql import wheel_installation
from parley.ports import free_port
from parley.supervision.part import start_and_wait
from tests.failover.load import sending
from tests.failover.pair import Server
from tests.faults.people import sign_in_pair
from tests.waiting import eventually

SENDS = 200
COMPARED = ("users", "channels", "members", "messages", "changes", "receipts", "devices")
POINT = "before_the_accident"
SETTINGS = "postgresql.auto.conf"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        report = asyncio.run(_run(Path(folder)))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if not report["differs"] and report["accident_shows"] else 1


async def _run(folder: Path) -> dict[str, Any]:
    archive = folder / "archive"
    archive.mkdir()
    password = secrets.token_hex(16)
    ports = [free_port()]
    ports.append(free_port(ports))
    primary = Server(folder, "primary", port=ports[0], password=password)
    restored = Server(folder, "restored", port=ports[1], password=password, of=primary)
    _keep_log(primary, archive)
    start_and_wait([primary])
    try:
        before, backup_s = await _live(primary, restored)
    finally:
        primary.kill()
    began = time.monotonic()
    _recover(restored, archive)
    start_and_wait([restored])
    try:
        await eventually(lambda: _is_primary(restored), within_s=60)
        restore_s = time.monotonic() - began
        after = await _fingerprints(restored)
        entries = await restored.ask("SELECT count(*) FROM messages")
    finally:
        restored.kill()
    return {
        "entries": entries,
        "differs": [table for table in COMPARED if before["point"][table] != after[table]],
        "accident_shows": before["accident"]["messages"] != before["point"]["messages"],
        "backup_s": round(backup_s, 1),
        "restore_s": round(restore_s, 1),
    }


def _keep_log(server: Server, archive: Path) -> None:
    """Have the server archive its log, as deploy/patroni/one.yaml does."""
    server.prepare()
    command = f"test ! -f {archive}/%f && cp %p {archive}/%f.part && mv {archive}/%f.part"
    with (server.directory / SETTINGS).open("a") as settings:
        settings.write(f"archive_mode = on\narchive_command = '{command} {archive}/%f'\n")


async def _live(primary: Server, backup: Server) -> tuple[dict[str, dict[str, object]], float]:
    """Send, take the base backup meanwhile, send more; then comes the accident."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            start_server(environment={"DATABASE_URL": primary.url})
        )
        apis = [Api(port) for port in server.ports]
        for api in apis:
            stack.callback(api.close)
        sender, _, chat_id = await sign_in_pair(apis)
        async with sending(sender, chat_id) as load:
            await load.has_more(SENDS)
            began = time.monotonic()
            await _copy(primary, backup)
            backup_s = time.monotonic() - began
            await load.has_more(SENDS)
    point = await _fingerprints(primary)
    await primary.ask(f"SELECT pg_create_restore_point('{POINT}')")
    await primary.ask("DELETE FROM messages WHERE seq % 2 = 0 RETURNING 1")
    accident = await _fingerprints(primary)
    last = await primary.ask("SELECT pg_walfile_name(pg_switch_wal())")

    async def is_archived() -> bool:
        return bool(
            await primary.ask(f"SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver")
        )

    await eventually(is_archived, within_s=60)
    return {"point": point, "accident": accident}, backup_s


async def _copy(primary: Server, backup: Server) -> None:
    """Take a base backup while everything goes on."""
    backup.directory.mkdir(mode=0o700)
    program = await asyncio.create_subprocess_exec(
        wheel_installation() / "bin" / "pg_basebackup",
        f"--dbname={primary.url}",
        f"--pgdata={backup.directory}",
        "--checkpoint=fast",
        "--wal-method=stream",
    )
    if await program.wait() != 0:
        raise SystemExit("pg_basebackup failed.")


def _recover(server: Server, archive: Path) -> None:
    """Say that the copy is to replay the archived log up to the point, and no further."""
    (server.directory / "recovery.signal").touch()
    with (server.directory / SETTINGS).open("a") as settings:
        settings.write(
            f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_name = '{POINT}'\n"
            "recovery_target_action = 'promote'\narchive_mode = off\nprimary_conninfo = ''\n"
        )


async def _is_primary(server: Server) -> bool:
    return await server.ask("SELECT NOT pg_is_in_recovery()") is True


async def _fingerprints(server: Server) -> dict[str, object]:
    """Return a hash of all rows of each table."""
    return {
        table: await server.ask(
            f"SELECT md5(string_agg(x.row, ',' ORDER BY x.row COLLATE \"C\")) "
            f"FROM (SELECT t::text AS row FROM {table} t) x"
        )
        for table in COMPARED
    }


if __name__ == "__main__":
    raise SystemExit(main())
