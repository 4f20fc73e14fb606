"""`python -m bench.operations.patroni`: Patroni over one etcd and two PostgreSQLs, as
deploy/patroni/one.yaml has it, under the load of `bench.operations.failover`. The primary and its
Patroni are killed, and nobody but Patroni promotes. Exit code 1 where an answered send is lost.

It needs etcd, `patroni[etcd3]` with psycopg, and a PostgreSQL of 15 or later, whose
folder is named: `python -m bench.operations.patroni --patroni /bin/patroni --postgresql
/usr/lib/postgresql/15`. PostgreSQL refuses root: as root, all of it runs as the
user `postgres`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from examples.client import Api
from examples.server import start_server
from parley.ports import free_port
from tests.failover.load import sending
from tests.faults.people import sign_in_pair
from tests.waiting import eventually

SENDS = 300
USER = "postgres"
NAMES = ("one", "other")
SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "patroni" / "one.yaml"


class Cluster:
    """One etcd, and two Patronis with their PostgreSQL, in processes of their own."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self._folder = folder
        self._asked = asked
        self._password = secrets.token_hex(16)
        ports: list[int] = []
        for _ in range(6):
            ports.append(free_port(ports))
        self._etcd_ports = ports[:2]
        self._postgresql = dict(zip(NAMES, ports[2:4], strict=True))
        self._rest = dict(zip(NAMES, ports[4:], strict=True))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._postgresql.values())
        return f"postgresql://{USER}:{self._password}@{hosts}/{USER}"

    def start(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        self._run(
            "etcd",
            self._asked.etcd,
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )
        for name in NAMES:
            path = self._folder / f"{name}.yaml"
            path.write_text(self._configuration(name))
            self._run(name, self._asked.patroni, str(path))

    def _configuration(self, name: str) -> str:
        """Return deploy/patroni/one.yaml with what differs here."""
        (self._folder / "archive").mkdir(exist_ok=True)
        (self._folder / "archive").chmod(0o777)
        replaced = {
            "name: one": f"name: {name}",
            "10.0.1.1:8008": f"127.0.0.1:{self._rest[name]}",
            "10.0.1.1:5432": f"127.0.0.1:{self._postgresql[name]}",
            '["10.0.3.1:2379", "10.0.3.2:2379", "10.0.3.3:2379"]': (
                f'["127.0.0.1:{self._etcd_ports[0]}"]'
            ),
            "/var/lib/postgresql/parley": str(self._folder / name),
            "/var/lib/parley-archive": str(self._folder / "archive"),
            "/usr/lib/postgresql/18": self._asked.postgresql,
            "10.0.0.0/16": "127.0.0.0/8",
            "10.0.1.0/24": "127.0.0.0/8",
            "hostssl": "host",
            "local all all peer": "local all all trust",
            "watchdog: {mode: automatic": "watchdog: {mode: 'off'",
        }
        text = SAMPLE.read_text()
        for old, new in replaced.items():
            if old not in text:
                raise SystemExit(
                    f"{SAMPLE} has no {old!r} any more; change bench/operations/patroni.py."
                )
            text = text.replace(old, new)
        return text

    def _run(self, name: str, *command: str) -> None:
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"]
        passwords = {
            f"PATRONI_{role}_PASSWORD": self._password
            for role in ("SUPERUSER", "REPLICATION", "REWIND")
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [*(as_user if os.geteuid() == 0 else []), *command],
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **passwords},
                cwd=self._folder,
                start_new_session=True,
            )

    async def has(self, **roles: str) -> dict[str, str]:
        """Wait until there is a member with each of these states; return who has which."""

        def found() -> bool:
            return set(roles.values()) <= set(self.roles().values())

        await eventually(found, within_s=120)
        return {role: name for name, role in self.roles().items()}

    def roles(self) -> dict[str, str]:
        """Return each member's role, as a Patroni that answers has it."""
        for name in NAMES:
            with contextlib.suppress(OSError, ValueError):
                with urlopen(f"http://127.0.0.1:{self._rest[name]}/cluster", timeout=1) as answer:
                    members = json.load(answer)["members"]
                return {
                    each["name"]: each["role"]
                    for each in members
                    if each["state"] in ("running", "streaming")
                }
        return {}

    def kill(self, name: str) -> None:
        """End a Patroni and its PostgreSQL as the loss of their machine does."""
        postmaster = int((self._folder / name / "postmaster.pid").read_text().split("\n", 1)[0])
        os.killpg(self._processes[name].pid, signal.SIGKILL)
        # Its backends are in a group of their own, each.
        for child in [postmaster, *_children(postmaster)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def close(self) -> None:
        for name in NAMES:
            with contextlib.suppress(OSError, ValueError):
                self.kill(name)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="parley-patroni-"))
    try:
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.operations.patroni")
    parser.add_argument("--patroni", default="patroni")
    parser.add_argument("--etcd", default="etcd")
    parser.add_argument("--postgresql", required=True)
    asked = parser.parse_args()
    for program in (asked.patroni, asked.etcd):
        if shutil.which(program) is None:
            sys.stderr.write(
                f"{program} is not here; the head of bench/operations/patroni.py says more.\n"
            )
            return 2
    with _folder() as folder:
        cluster = Cluster(folder, asked)
        try:
            cluster.start()
            report = asyncio.run(_run(cluster))
        except AssertionError:
            for log in sorted(folder.glob("*.log")):
                sys.stderr.write(f"{log.name}:\n{log.read_text()[-3000:]}\n")
            raise
        finally:
            cluster.close()
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["lost"] == 0 else 1


async def _run(cluster: Cluster) -> dict[str, Any]:
    roles = await cluster.has(primary="leader", standby="sync_standby")
    async with start_server(environment={"DATABASE_URL": cluster.url}) as server:
        apis = [Api(port) for port in server.ports]
        sender, _, chat_id = await sign_in_pair(apis)
        async with sending(sender, chat_id) as load:
            await load.has_more(SENDS)
            before = len(load.answered)
            killed_at = time.monotonic()
            cluster.kill(roles["leader"])
            await load.has_more(SENDS)
            took_s = time.monotonic() - killed_at
        lost = await load.find_lost()
        for api in apis:
            api.close()
    return {
        "answered": len(load.answered),
        "answered_before_the_kill": before,
        "lost": len(lost),
        "until_sends_went_on_s": round(took_s, 1),
        "leader_before": roles["leader"],
        "leader_after": {role: name for name, role in cluster.roles().items()}.get("leader"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
