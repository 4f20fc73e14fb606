"""A supervisor of the embedded servers and one stub for an API process, as a process of its own.

`python -m tests.embedded.supervised DATA_DIR [deaf] [unready] [impatient]`; an impatient one thinks
that a part hangs after 0.9 s. It writes "ready" on standard out.
"""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from parley.cli import refused
from parley.commands.terminal import say
from parley.embedded.folder import Folder
from parley.embedded.servers import Servers
from parley.embedded.services import ServicesFile
from parley.ports import free_port
from parley.settings import Settings
from parley.supervision.part import BARE_ENVIRONMENT
from parley.supervision.processes import Api
from parley.supervision.supervisor import HUNG_S, SupervisionPlan, Supervisor


class StubApi(Api):
    def __init__(self, folder: Folder, servers: Servers, words: Sequence[str]) -> None:
        super().__init__(Settings(), 1, BARE_ENVIRONMENT, port=free_port())
        database_port = urlsplit(servers.urls["postgresql"]).port
        self._arguments = [
            str(self.port),
            str(database_port),
            str(folder.path / "farewell"),
            *words,
        ]

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "tests.embedded.stub_api", *self._arguments]


def main(data_dir: Path, words: Sequence[str]) -> int:
    with contextlib.closing(Folder(data_dir)) as folder:
        servers = Servers(folder, Settings())
        plan = SupervisionPlan(servers=servers.parts, apis=[StubApi(folder, servers, words)])
        with ServicesFile(folder, servers, plan) as services:
            supervisor = Supervisor(
                plan,
                say=say,
                changed=services.write,
                ready=say_ready,
                hung_s=0.9 if "impatient" in words else HUNG_S,
            )
            return supervisor.run()


def say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(refused(lambda: main(Path(sys.argv[1]), sys.argv[2:])))
