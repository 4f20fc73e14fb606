"""The worker that ships pushes, as its environment says."""

import asyncio
import os
import sys

from examples.server import ROOT
from parley.embedded import EmbeddedServers
from tests.conftest import SECRET
from tests.jobs.fakes.apns import KEY_ID, TEAM_ID
from tests.jobs.push.phones import MakePhone
from tests.make import Person


async def test_the_worker_pushes_as_its_environment_says(
    alice: Person, bob: Person, chat: str, phone: MakePhone, embedded: EmbeddedServers
) -> None:
    bobs = await phone(bob)
    environment = {
        "PARLEY_SECRET": SECRET,
        "DATABASE_URL": embedded.database_url,
        "REDIS_URL": embedded.redis_url,
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "PARLEY_APNS_KEY": bobs.apple.key.replace("\n", "\\n"),
        "PARLEY_APNS_KEY_ID": KEY_ID,
        "PARLEY_APNS_TEAM_ID": TEAM_ID,
        "PARLEY_APNS_URL": bobs.apple.url,
    }
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley", "work"),
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await alice.say(chat, "Hello?")

        assert await bobs.has(1, within_s=20) == [("Alice", "Hello?")]
    finally:
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), 10) == 0
