"""The supervisor: brings back what dies, leaves nothing behind, and stops from the outside in."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from parley.embedded.running import with_running
from parley.settings import Settings
from parley.supervision.launch import alive
from parley.supervision.part import CHECKOUT
from parley.supervision.probes import http_status
from tests.embedded.conftest import StartSupervised, Supervised
from tests.embedded.process_table import descendants, living
from tests.waiting import eventually, wait_until


async def ask(supervised: Supervised, query: str) -> Any:
    connection = await asyncpg.connect(supervised.services()["postgresql"]["url"])
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_every_part_that_is_killed_comes_back(start_supervised: StartSupervised) -> None:
    supervised = start_supervised()
    names = ["postgresql", "valkey", "s3", "api"]
    before = {name: supervised.pid_of(name) for name in names}
    await ask(supervised, "CREATE TABLE kept AS SELECT 7 AS number")
    async with redis.asyncio.Redis.from_url(supervised.services()["valkey"]["url"]) as client:
        await client.set("kept", "8")

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    await eventually(lambda: not any(supervised.pid_of(name) == before[name] for name in names))
    after = supervised.services()
    assert await ask(supervised, "SELECT number FROM kept") == 7
    async with redis.asyncio.Redis.from_url(after["valkey"]["url"]) as client:
        assert await client.get("kept") == b"8"
    assert http_status(int(after["s3"]["url"].rsplit(":", 1)[1]), "/") == 403
    assert http_status(after["api"][0]["port"], "/readyz") == 200
    assert after["supervisor"]["pid"] == supervised.pid


async def test_parts_that_hang_are_killed_and_come_back(start_supervised: StartSupervised) -> None:
    """Stopped, they live, and their ports take connections: only a question shows it. An API that
    says that it is not ready does not hang.
    """
    supervised = start_supervised("impatient", "unready")
    before = supervised.services()
    for name in ("postgresql", "valkey"):
        os.kill(before[name]["pid"], signal.SIGSTOP)

    def are_others() -> bool:
        now = supervised.services()
        return all(now[name]["pid"] != before[name]["pid"] for name in ("postgresql", "valkey"))

    await eventually(are_others)
    assert supervised.services()["api"] == before["api"]
    assert await ask(supervised, "SELECT 7") == 7

    os.kill(before["api"][0]["pid"], signal.SIGSTOP)

    await eventually(lambda: supervised.services()["api"] != before["api"])


async def test_a_killed_supervisor_leaves_nobody_behind(start_supervised: StartSupervised) -> None:
    supervised = start_supervised()
    busy = await asyncpg.connect(supervised.services()["postgresql"]["url"])
    backend = await busy.fetchval("SELECT pg_backend_pid()")
    sleeping = asyncio.ensure_future(busy.execute("SELECT pg_sleep(60)"))
    parts = descendants(supervised.pid)
    assert backend in parts

    supervised.process.kill()

    await eventually(lambda: not living(parts))
    with pytest.raises(asyncpg.PostgresError):
        await sleeping


async def test_starts_again_after_everything_was_killed_twice(
    start_supervised: StartSupervised,
) -> None:
    first = start_supervised()
    await ask(first, "CREATE TABLE kept AS SELECT 7 AS number")
    address = first.services()["postgresql"]["url"]
    first.kill_all()
    start_supervised().kill_all()

    last = start_supervised()

    assert last.services()["postgresql"]["url"] == address
    assert await ask(last, "SELECT number FROM kept") == 7


def test_stops_the_api_before_the_servers_it_needs(start_supervised: StartSupervised) -> None:
    supervised = start_supervised()
    parts = descendants(supervised.pid)

    supervised.process.terminate()

    assert supervised.process.wait(60) == 0
    assert (supervised.data_dir / "farewell").read_text() == "answers"
    assert living(parts) == set()
    assert not (supervised.data_dir / "services.json").exists()


def test_a_second_order_to_stop_waits_for_nobody(start_supervised: StartSupervised) -> None:
    supervised = start_supervised("deaf")
    parts = descendants(supervised.pid)

    def order_once_more() -> bool:
        supervised.process.send_signal(signal.SIGINT)
        return supervised.process.poll() is not None

    wait_until(order_once_more)

    assert living(parts) == set()


def test_other_commands_find_it_while_it_runs(start_supervised: StartSupervised) -> None:
    supervised = start_supervised()
    settings = Settings(data_dir=supervised.data_dir, redis_url="redis://elsewhere/0")

    services = supervised.services()
    found = with_running(settings)
    supervised.kill_all()

    assert found.database_url == services["postgresql"]["url"]
    assert found.s3_endpoint_url == services["s3"]["url"]
    assert found.redis_url == "redis://elsewhere/0"
    assert with_running(settings) == settings


def test_a_terminals_interrupt_reaches_the_supervisor_only(
    start_supervised: StartSupervised,
) -> None:
    supervised = start_supervised()

    own_session = os.getsid(supervised.pid)

    assert own_session not in {os.getsid(pid) for pid in descendants(supervised.pid)}


def test_a_server_that_cannot_start_is_one_sentence_and_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "parley" / "valkey").mkdir(parents=True)
    (tmp_path / "parley" / "valkey" / "appendonlydir").write_text("in the way")

    ran = subprocess.run(
        [sys.executable, "-m", "tests.embedded.supervised", str(tmp_path / "parley")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ran.returncode == 1
    assert "valkey ended with exit code 1 before it was ready. It said:\n" in ran.stderr
    assert "Traceback" not in ran.stderr


ORPHAN = """
import subprocess, sys
from parley.supervision.part import launched
child = subprocess.Popen(launched(["/bin/sleep", "60"], with_watcher=True), start_new_session=True)
sys.stdout.write(f"{child.pid}\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def test_a_watcher_ends_orphans_where_the_kernel_does_not() -> None:
    """macOS has no parent-death signal."""
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        assert alive(orphan)

        parent.kill()
        parent.wait(60)

    wait_until(lambda: not living({orphan}))
