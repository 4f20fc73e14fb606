"""Every loop of an API process and of a worker has a case in this folder."""

from models.background import Loops
from parley.parts import Parts
from parley.settings import Settings
from parley.worker.process import open_worker
from tests.loops import test_committing, test_following, test_workers
from tests.serving import Server

# Only marks what is in memory, and has no collaborator that could fail.
CANNOT_FAIL = {"connections_again"}
CASES = {**test_committing.CASES, **test_following.CASES, **test_workers.CASES}


async def test_every_loop_has_a_test_in_which_its_work_fails(
    server: Server, settings: Settings
) -> None:
    loops = Loops()
    async with Parts() as parts:
        await open_worker(settings, loops, parts)

    begun = set(server.app._process.loops.begun) | set(loops.begun)

    assert begun == set(CASES) | CANNOT_FAIL
    assert len(begun) > 31
