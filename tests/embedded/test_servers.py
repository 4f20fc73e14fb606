"""PostgreSQL, Valkey and S3 as parts: what they keep, what keeps them from starting, and who may
ask them.
"""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import asyncpg
import boto3
import pytest
import redis
from botocore.config import Config

from parley.embedded import EmbeddedServers
from parley.embedded.folder import Folder
from parley.embedded.servers import Servers
from parley.settings import Settings, SettingsError
from parley.supervision.launch import NOBODY, has_name
from parley.supervision.part import CHECKOUT


async def ask(servers: EmbeddedServers, query: str, *arguments: object) -> Any:
    connection = await asyncpg.connect(servers.database_url)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


def valkey(servers: EmbeddedServers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis_url)


def s3(servers: EmbeddedServers, secret: str | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=servers.s3_endpoint_url,
        aws_access_key_id=servers.s3_access_key_id,
        aws_secret_access_key=secret or servers.s3_secret_access_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4"),
    )


def put(url: str, content: bytes) -> int:
    request = urllib.request.Request(url, content, {"Content-Type": "text/plain"}, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_keep_their_data_and_addresses_over_a_restart(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path / "parley") as first:
        await ask(first, "CREATE TABLE kept AS SELECT 7 AS number")
        with valkey(first) as client:
            client.set("kept", "8")
        s3(first).put_object(Bucket="parley", Key="kept", Body=b"9")

    with EmbeddedServers(tmp_path / "parley") as second:
        assert second.environment() == first.environment()
        assert await ask(second, "SELECT number FROM kept") == 7
        with valkey(second) as client:
            assert client.get("kept") == b"8"
        assert s3(second).get_object(Bucket="parley", Key="kept")["Body"].read() == b"9"


async def test_postgresql_is_back_with_what_it_had_committed_when_killed(
    servers: EmbeddedServers,
) -> None:
    await ask(servers, "CREATE TABLE committed AS SELECT 7 AS number")

    servers.kill("postgresql")
    servers.start("postgresql")

    assert await ask(servers, "SELECT number FROM committed") == 7


def test_valkey_is_back_with_what_it_had_answered_when_killed(servers: EmbeddedServers) -> None:
    with valkey(servers) as client:
        client.set("answered", "8")

        servers.kill("valkey")
        servers.start("valkey")

        assert client.get("answered") == b"8"


async def test_postgresql_starts_though_its_stale_pid_file_names_a_living_process(
    servers: EmbeddedServers,
) -> None:
    """After a restart of a container, numbers begin anew: the old one is somebody else's."""
    pid_file = Path(await ask(servers, "SHOW data_directory")) / "postmaster.pid"
    servers.kill("postgresql")
    lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(servers.pid("valkey")), *lines[1:]]))

    servers.start("postgresql")

    assert await ask(servers, "SELECT 7") == 7


async def test_a_start_cut_off_while_the_cluster_was_made_begins_again(tmp_path: Path) -> None:
    half_made = tmp_path / "parley" / "postgresql.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")

    with EmbeddedServers(tmp_path / "parley", only=["postgresql"]) as servers:
        assert await ask(servers, "SELECT current_database()") == "parley"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("server_version_num", "180004"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("listen_addresses", "127.0.0.1"),
    ],
)
async def test_postgresql_is_set_up_to_keep_what_it_answered(
    servers: EmbeddedServers, name: str, value: str
) -> None:
    assert await ask(servers, f"SHOW {name}") == value


async def test_postgresql_sorts_alike_on_every_machine(servers: EmbeddedServers) -> None:
    query = "SELECT datlocale FROM pg_database WHERE datname = $1 AND datlocprovider = 'b'"

    assert await ask(servers, query, "parley") == "C.UTF-8"


async def test_no_value_reaches_postgresqls_log(servers: EmbeddedServers, tmp_path: Path) -> None:
    await ask(servers, "CREATE TABLE private (text text PRIMARY KEY)")
    await ask(servers, "INSERT INTO private VALUES ($1)", "whispered")

    with pytest.raises(asyncpg.UniqueViolationError):
        await ask(servers, "INSERT INTO private VALUES ($1)", "whispered")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await ask(servers, "SELECT 'whispered'::int")

    log = servers.data_dir / "logs" / "postgresql.log"
    assert "ready to accept connections" in log.read_text()
    assert "whispered" not in log.read_text()


async def test_ask_for_their_password(servers: EmbeddedServers) -> None:
    port = servers.database_url.rsplit(":", 1)[1]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://parley:wrong@127.0.0.1:{port}")

    address = servers.redis_url.rsplit("@", 1)[1]
    with (
        redis.Redis.from_url(f"redis://{address}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.get("anything")


def test_s3_takes_signed_requests_only(servers: EmbeddedServers) -> None:
    signed, forged = (
        s3(servers, secret).generate_presigned_url(
            "put_object",
            Params={"Bucket": "parley", "Key": "note", "ContentType": "text/plain"},
        )
        for secret in (None, "wrong")
    )

    assert put(signed, b"content") == 200
    assert put(forged, b"content") == 403
    assert put(f"{servers.s3_endpoint_url}/parley/note", b"content") == 403


def test_s3_lets_browsers_in(servers: EmbeddedServers) -> None:
    request = urllib.request.Request(
        f"{servers.s3_endpoint_url}/parley/note",
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type",
        },
        method="OPTIONS",
    )

    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_nobody_else_can_read_the_data_directory(servers: EmbeddedServers) -> None:
    found = [servers.data_dir, *servers.data_dir.iterdir()]

    open_to_others = [path for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077]

    assert open_to_others == []


def test_a_data_directory_has_one_owner(servers: EmbeddedServers) -> None:
    with pytest.raises(SettingsError, match=rf"PARLEY_DATA_DIR .* \(process {os.getpid()}\)"):
        EmbeddedServers(servers.data_dir)


def test_what_settings_name_is_somebody_elses(tmp_path: Path) -> None:
    settings = Settings(
        database_url="postgresql://parley@database.example/parley",
        s3_endpoint_url="https://s3.example",
    )
    with contextlib.closing(Folder(tmp_path)) as folder:
        servers = Servers(folder, settings)

        assert [part.name for part in servers.parts] == ["valkey"]
        assert servers.pids_and_urls() == {
            "postgresql": {"pid": None, "url": "postgresql://parley@database.example/parley"},
            "valkey": {"pid": None, "url": servers.valkey.url},
            "s3": {"pid": None, "url": "https://s3.example"},
        }
        assert "AWS_ACCESS_KEY_ID" not in servers.environment()


def test_a_database_that_lost_its_password_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgresql").mkdir()

    with pytest.raises(SettingsError, match=r"credentials\.json"):
        EmbeddedServers(tmp_path)


# Folders on the way to our programs that nobody else enters, such as those of `mktemp -d`.
PRIVATE = [path for path in Path(asyncpg.__file__).parents if not path.stat().st_mode & 0o001]
# Who has a name needs no namespace; root gives its identity up, where others may run our programs.
NEEDS_NO_NAMESPACE = not PRIVATE if os.geteuid() == 0 else has_name(os.geteuid())


async def test_without_user_namespaces_postgresql_is_not_root_either(tmp_path: Path) -> None:
    folder = tmp_path / "parley"
    without = NEEDS_NO_NAMESPACE
    runs_as = NOBODY if without and os.geteuid() == 0 else os.geteuid()
    with EmbeddedServers(folder, only=["postgresql"], without_namespace=without) as first:
        await ask(first, "CREATE TABLE kept AS SELECT 7 AS number")
        assert user_of(first.pid("postgresql")) == runs_as

    with EmbeddedServers(folder, only=["postgresql"]) as second:
        assert await ask(second, "SELECT number FROM kept") == 7


def user_of(pid: int) -> int:
    listing = subprocess.run(["ps", "-o", "uid=", "-p", str(pid)], capture_output=True, check=True)
    return int(listing.stdout)


RUN_ALL_THREE = """
import os, sys
from pathlib import Path
from parley.embedded import EmbeddedServers
with EmbeddedServers(Path(sys.argv[1])) as servers:
    servers.kill("postgresql")
    servers.start("postgresql")
sys.stdout.write(f"ran as {os.geteuid()}")
"""


def become(uid: int) -> list[str]:
    """Return the start of a command line that runs the rest as another user.

    Root may have the interpreter in a home that nobody else enters, so that user may read anything;
    but not inside of the namespace that gives a name to one who has none.
    """
    read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *read]


def can_become(uid: int) -> bool:
    """Only root becomes others; who has no name, where namespaces are and all may read our code."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    tried = subprocess.run([*become(uid), "unshare", "--user", "true"], capture_output=True)
    return tried.returncode == 0 and not PRIVATE


# Whom this machine lets us be, at the least ourselves: one with a name, and one without.
USERS = [uid for uid in (NOBODY, 65533) if can_become(uid)] or [os.geteuid()]


@pytest.mark.parametrize("uid", USERS)
def test_run_as_any_user(uid: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", RUN_ALL_THREE, f"{folder}/parley"]
        if uid != os.geteuid():
            command = [*become(uid), *command]
            os.chown(folder, uid, uid)

        ran = subprocess.run(
            command,
            env={"PYTHONPATH": str(CHECKOUT), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert (ran.stdout, ran.stderr) == (f"ran as {uid}", "")
