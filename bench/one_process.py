"""Starts one API process of Parley, with a world to measure it in."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.__main__ import share_cores
from bench.contestants import Parley
from parley.embedded import EmbeddedServers
from parley.supervision.part import start_and_wait


@contextmanager
def one_process(*, history: int = 10, idle: int = 2) -> Iterator[tuple[Parley, EmbeddedServers]]:
    """Run one API process with PostgreSQL and Valkey in a folder that goes afterwards.

    With two cores or more, it has the first; the servers and this process have the second.
    """
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        server_cores, rest = share_cores()
        if rest:
            os.sched_setaffinity(0, rest)
        with EmbeddedServers(Path(folder), only=("postgresql", "valkey")) as servers:
            parley = Parley(servers, server_cores, history=history, idle=idle)
            start_and_wait([parley])
            try:
                yield parley, servers
            finally:
                parley.stop()
