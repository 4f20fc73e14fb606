"""A worker's metrics say what came of jobs, what waits, and what media saved."""

from pathlib import Path

import httpx2

from parley.embedded import EmbeddedServers
from parley.ports import free_port
from parley.settings import Settings
from tests.jobs.running import queue_jobs, real_worker
from tests.media.making import Files, picture
from tests.waiting import eventually


async def test_a_worker_tells_of_its_jobs(
    files: Files,
    settings: Settings,
    s3: EmbeddedServers,
    http: httpx2.AsyncClient,
    tmp_path: Path,
) -> None:
    content, port = picture(), free_port()
    await files.add(content, queued=True)
    await queue_jobs(files.database, "of no worker", 1)

    async with real_worker(settings, s3, tmp_path, metrics_port=port - 1):
        # The port before is an API process's.

        async def lines() -> list[str]:
            try:
                return (await http.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
            except httpx2.HTTPError:
                return []

        async def has(line: str) -> bool:
            return line in await lines()

        done = 'parley_jobs_total{kind="media_render",outcome="done"} 1.0'
        await eventually(lambda: has(done))
        assert 'parley_jobs_in_queue{kind="of no worker",state="waiting"} 1.0' in await lines()
        assert await has(f'parley_media_bytes_total{{kind="IMAGE",stage="in"}} {len(content)}.0')
