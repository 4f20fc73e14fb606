"""Keep `services.json`, which tells operators and outside tests what `dev` runs now, and where.

The file is in the data directory, and gone when nothing runs.
"""

import json
import os
from types import TracebackType
from typing import Self

from parley.embedded.folder import Folder, write_whole
from parley.embedded.servers import Servers
from parley.supervision.processes import Api
from parley.supervision.supervisor import SupervisionPlan


class ServicesFile:
    def __init__(self, folder: Folder, servers: Servers, plan: SupervisionPlan) -> None:
        self._path = folder.services_path
        self._servers = servers
        self._plan = plan

    def __enter__(self) -> Self:
        # What a killed supervisor left behind would name strangers.
        self._path.unlink(missing_ok=True)
        return self

    def write(self) -> None:
        """Call it when all parts answer, and whenever one answers again under another number."""
        workers = self._plan.workers
        content = {
            "supervisor": {"pid": os.getpid()},
            **self._servers.pids_and_urls(),
            "api": [
                {"pid": api.answering_pid, "port": api.port}
                for api in self._plan.apis
                if isinstance(api, Api)
            ],
            "worker": {"pid": workers[0].answering_pid if workers else None},
        }
        write_whole(self._path, json.dumps(content, indent=2))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._path.unlink(missing_ok=True)
