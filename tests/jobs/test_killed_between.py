"""A process is killed between its commits and the queueing of their jobs: what they are for happens
all the same.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx2

from models.media.media import MediaState, list_media
from models.tokens import Tokens
from parley.embedded import EmbeddedServers
from parley.ports import free_port
from parley.supervision.probes import http_status
from tests.changes import DELETE
from tests.jobs.apart import Apart
from tests.jobs.running import Kept, environment_of, kept, real_worker
from tests.make import make_person
from tests.media.making import picture
from tests.push.fakes.apns import FakeApns
from tests.push.phones import make_phone
from tests.serving import Server
from tests.uploading import complete, create_upload, make_media, put_all, sent_media
from tests.waiting import eventually


async def test_a_killed_process_leaves_its_jobs_to_others(
    ground: Apart, embedded: EmbeddedServers, tokens: Tokens, tmp_path: Path
) -> None:
    async with serving(ground, embedded, tmp_path / "api.log") as (process, server):
        alice = await make_person(server, ground.database, tokens, "Alice")
        bob = await make_person(server, ground.database, tokens, "Bob")
        chat = await alice.open_chat(bob)
        ticket = await create_upload(alice, picture())
        await put_all(alice, ticket, picture())
        old_id = await make_media(ground.database, alice)
        old = await sent_media(alice, chat, old_id)
        await make_phone(ground.database, FakeApns(), bob)

        ground.fall_silent()
        acts = asyncio.gather(
            complete(alice, ticket["media"]["id"]),
            alice.mutate(DELETE, id=old["id"]),
            alice.send(alice.draft(chat, "hello")),
            return_exceptions=True,
        )
        await eventually(lambda: has_left(ground, 3))
        process.end(signal.SIGKILL)
        await acts
    assert await ground.kinds() == []

    ground.come_back()
    await ground.database.execute("UPDATE due_jobs SET at = at - interval '1 min'")
    async with real_worker(ground.settings, embedded, tmp_path):
        await eventually(ground.is_all_queued)
        await eventually(lambda: is_over(ground, ticket["media"]["id"], old_id))
    # No provider is configured there, so it waits.
    assert "push_apns" in await ground.kinds()


async def has_left(ground: Apart, count: int) -> bool:
    return await ground.left() == count


async def state_of(ground: Apart, media_id: str) -> MediaState | None:
    inner_id = media_id.removeprefix("med_")
    found = await list_media(ground.database, [inner_id])
    return found[inner_id].state if found else None


async def is_over(ground: Apart, new_id: str, old_id: str) -> bool:
    """Return whether the new file is rendered, and the old one deleted."""
    states = (await state_of(ground, new_id), await state_of(ground, old_id))
    return states == (MediaState.READY, None)


@asynccontextmanager
async def serving(
    ground: Apart, embedded: EmbeddedServers, log: Path
) -> AsyncIterator[tuple[Kept, Server]]:
    """`python -m parley serve`, and where it answers."""
    port = free_port()
    environment = {
        **environment_of(ground.settings, embedded),
        "PARLEY_PORT": "0",
        "PARLEY_OWN_PORT": str(port),
    }
    async with (
        kept(["parley", "serve"], environment, log) as process,
        httpx2.AsyncClient(timeout=60, trust_env=False) as http,
    ):
        # Aside, since its way to the queue leads through this loop.
        await eventually(lambda: asyncio.to_thread(is_ready, port))
        yield process, Server(cast(Any, None), port, http)


def is_ready(port: int) -> bool:
    return http_status(port, "/readyz") == 200
