"""The worker that ships pushes, as its environment says."""

import asyncio
import os
import sys
from datetime import UTC, datetime

from examples.server import ROOT
from models.postgresql.database import Database
from models.push.addresses import EmailAddress
from models.push.endpoints import set_endpoint
from parley.embedded import EmbeddedServers
from tests.conftest import SECRET
from tests.make import Person
from tests.push.fakes.apns import KEY_ID, TEAM_ID
from tests.push.fakes.smtp import FakeSmtp
from tests.push.phones import MakePhone
from tests.waiting import eventually


async def test_the_worker_pushes_as_its_environment_says(
    alice: Person,
    bob: Person,
    chat: str,
    phone: MakePhone,
    embedded: EmbeddedServers,
    database: Database,
) -> None:
    bobs = await phone(bob)
    post = FakeSmtp()
    await post.start()
    environment = {
        "PARLEY_SECRET": SECRET,
        "DATABASE_URL": embedded.database_url,
        "REDIS_URL": embedded.redis_url,
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "PARLEY_APNS_KEY": bobs.apple.key.replace("\n", "\\n"),
        "PARLEY_APNS_KEY_ID": KEY_ID,
        "PARLEY_APNS_TEAM_ID": TEAM_ID,
        "PARLEY_APNS_URL": bobs.apple.url,
        "PARLEY_SMTP_URL": post.url,
        "PARLEY_MAIL_FROM": "parley@mail.example",
        "PARLEY_PUBLIC_URL": "https://chat.example",
    }
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley", "work"),
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await alice.say(chat, "Hello?")

        assert await bobs.has(1) == [("Alice", "Hello?")]

        address, now = EmailAddress("alice@mail.example"), datetime.now(UTC)
        await set_endpoint(database, alice.user.id, alice.inner_device_id, address, now=now)
        await eventually(lambda: post.accepted)
        assert "https://chat.example/unsubscribe/" in str(post.accepted[0].mail)
    finally:
        await post.close()
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), 60) == 0
