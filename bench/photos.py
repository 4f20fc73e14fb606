"""`python -m bench.photos`: how long photos of 12 megapixels take from the end of their upload to
READY while one person's films wait, and what one worker takes of memory meanwhile.

Each photo is another person's, and follows the one before. Memory is what the worker, the program
that forks children, and its children have together (PSS, so that shared pages count once).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from models import ids
from models.media.media import MediaKind, MediaState
from models.postgresql.database import Database
from parley.embedded import EmbeddedServers
from parley.migrations import migrate
from parley.settings import Settings
from tests.jobs.running import real_worker
from tests.media.files import clip, encoded, panned, photo
from tests.media.making import Files, files_in
from tests.media.storage.storing import open_nanio
from tests.waiting import eventually
from workers.media.renditions import MediaRenderer

WITHIN_S = 600


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.photos")
    parser.add_argument("--films", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20, help="of one film, 1920x1080")
    parser.add_argument("--photos", type=int, default=50)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        EmbeddedServers(Path(folder)) as servers,
    ):
        migrate(servers.database_url)
        found = asyncio.run(_measure(servers, Path(folder), asked))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


async def _measure(
    servers: EmbeddedServers, folder: Path, asked: argparse.Namespace
) -> dict[str, Any]:
    settings = Settings(
        secret="x" * 32, database_url=servers.database_url, redis_url=servers.redis_url
    )
    database = await Database.open(servers.database_url)
    try:
        async with (
            open_nanio(servers) as storage,
            files_in(database, storage, MediaRenderer(), folder) as files,
            real_worker(settings, servers, folder) as worker,
        ):
            await eventually(lambda: "works." in "".join(worker.lines()), within_s=WITHIN_S)
            assert worker.process is not None
            idle_bytes = _family_bytes(worker.process.pid)
            films = await _add_films(files, folder, asked)
            await eventually(lambda: _running(database), within_s=WITHIN_S)
            took, most_bytes = await _time_photos(files, worker.process.pid, asked.photos)
            left = sum([await files.state(each) is MediaState.PROCESSING for each in films])
    finally:
        await database.close()
    return {
        "photo_s": {"median": sorted(took)[len(took) // 2], "longest": max(took)},
        "films_left": left,
        "worker_pss_mb": {"idle": round(idle_bytes / 1e6), "most": round(most_bytes / 1e6)},
    }


async def _add_films(files: Files, folder: Path, asked: argparse.Namespace) -> list[str]:
    path = clip(folder / "film", (1920, 1080), seconds=asked.seconds, scene=panned())
    content = path.read_bytes()
    # Each another file, so that none is found to be there.
    return [
        await files.add(content + bytes(9 + at), kind=MediaKind.VIDEO, queued=True)
        for at in range(asked.films)
    ]


async def _running(database: Database) -> bool:
    running: bool = await database.fetchval(
        "SELECT EXISTS (SELECT FROM jobs WHERE state = 'running')"
    )
    return running


async def _time_photos(files: Files, pid: int, photos: int) -> tuple[list[float], int]:
    content = encoded(photo(), quality=92)
    took, most_bytes = [], 0
    for at in range(photos):
        began = time.monotonic()
        media_id = await files.add(content + bytes(at + 1), queued=True, owner_id=ids.new_id())

        async def is_ready(media_id: str = media_id) -> bool:
            nonlocal most_bytes
            most_bytes = max(most_bytes, _family_bytes(pid))
            return await files.state(media_id) is MediaState.READY

        await eventually(is_ready, within_s=WITHIN_S)
        took.append(round(time.monotonic() - began, 3))
    return took, most_bytes


def _family_bytes(pid: int) -> int:
    """Of a process and all below it; one that ends meanwhile has none."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        threads = Path(f"/proc/{pid}/task").iterdir()
        children = [child for each in threads for child in (each / "children").read_text().split()]
    except OSError:
        return 0
    own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own * 1024 + sum(_family_bytes(int(child)) for child in children)


if __name__ == "__main__":
    raise SystemExit(main())
