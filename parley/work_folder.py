"""A worker's folder for files that it works on: of a name that nobody can know before, for us only.

The process holds the folder until it closes it or ends. So the next worker can tell what a killed
one left behind, whatever number that process had, and in whichever container.
"""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "parley-media-"
# A worker that has just made its folder may not hold it yet.
YOUNG_S = 60


class WorkFolder:
    """Empty, below `root`. Those that nobody holds any more go."""

    def __init__(self, root: Path) -> None:
        for left in root.glob(f"{PREFIX}*"):
            _remove_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        self._held = _open_folder(self.path)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _remove_left(folder: Path) -> None:
    """Remove a folder of ours that no process holds; leave everything else as it is."""
    try:
        opened = _open_folder(folder)
    except OSError:
        return
    try:
        found = os.fstat(opened)
        if found.st_uid == os.geteuid() and time.time() - found.st_mtime > YOUNG_S:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(opened)
