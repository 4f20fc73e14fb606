"""Give every part of a data directory a port, and the same one again at the next start."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

from parley.embedded.folder import write_whole
from parley.ports import FREED_WITHIN_S, free_port, is_free


class KeptPorts:
    """The ports of the parts by name, kept in a file of the data directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def assign(self, names: Iterable[str]) -> dict[str, int]:
        """Return a free port for each name: the one of the last start, if it is free again soon.

        Raises:
            SettingsError: no port is free.
        """
        names = list(names)
        deadline = time.monotonic() + FREED_WITHIN_S
        while any(name in self._kept and not is_free(self._kept[name]) for name in names):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        for name in names:
            if name not in self._kept or not is_free(self._kept[name]):
                self._kept[name] = free_port(self._kept.values())
        write_whole(self._path, json.dumps(self._kept))
        return {name: self._kept[name] for name in names}
