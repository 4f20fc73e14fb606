"""A rolling deploy: processes of the release before and of this one, side by side on one migrated
database and one Valkey (CONTRIBUTING.md says what a release may change for it).

Where git does not hold the release before, this says so and skips.
"""

import asyncio
import io
import subprocess
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from models.close_codes import CloseCode
from models.users.profiles import KEPT_S
from parley.settings import Settings
from parley.supervision.part import CHECKOUT
from parley.supervision.probes import http_status
from tests.changes import EDIT
from tests.client import added, ending, until
from tests.live.inbox.inboxes import INBOX as RESUMED
from tests.live.inbox.inboxes import position, replay
from tests.live.processes import ApiProcess, api_process
from tests.live.receipts import next_receipt, receipt
from tests.make import Person
from tests.serving import Server
from tests.waiting import eventually

# The release before, or the newest commit that can stand for it; moved forward with each release.
BEFORE = "7013b45"
EVENTS = """subscription { inbox { __typename
    ... on MessageAdded { channelId seq message { text } }
    ... on MessageUpdated { message { text } }
    ... on ReceiptUpdated { channelId userId deliveredSeq readSeq }
    ... on TypingUpdated { channelId userId typing } } }"""
SET_TYPING = "mutation ($id: ID!) { setTyping(channelId: $id, typing: true) { __typename } }"
NAME = "query ($id: ID!) { user(id: $id) { name } }"
RENAME = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }"
SIGN_OUT = "mutation { signOut { __typename } }"

Two = tuple[Person, Person]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the release before."""
    packed = subprocess.run(
        ["git", "-C", str(CHECKOUT), "archive", BEFORE], capture_output=True, check=False
    )
    if packed.returncode != 0:
        pytest.skip(f"git does not hold the release before ({BEFORE}) here: nothing to run beside.")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest_asyncio.fixture(scope="module")
async def old(
    checkout: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ApiProcess]:
    """An API process of the release before."""
    log_path = tmp_path_factory.mktemp("log") / "api.log"
    async with api_process(settings, log_path, checkout=checkout) as process:
        yield process


@pytest.fixture(params=["old to new", "new to old"])
def two(
    request: pytest.FixtureRequest, old: ApiProcess, server: Server, alice: Person, bob: Person
) -> Two:
    """Who does something at one process, and who follows at the other."""
    one, other = (old.server, server) if request.param == "old to new" else (server, old.server)
    return alice.at(one), bob.at(other)


async def test_a_message_and_its_edit_arrive_live_at_the_other_process(two: Two, chat: str) -> None:
    alice, bob = two
    async with bob.follow(EVENTS) as inbox:
        await until(inbox, "InboxReady")

        sent = await alice.say(chat, "from the other release")
        event = await added(inbox)
        edited = await alice.mutate(EDIT, id=sent["id"], text="and edited there")
        changed = (await until(inbox, "MessageUpdated"))[-1]

    assert (event["seq"], event["message"]["text"]) == (sent["seq"], "from the other release")
    assert "message" in edited, edited
    assert changed["message"]["text"] == "and edited there"


async def test_a_receipt_and_typing_arrive_live_at_the_other_process(two: Two, chat: str) -> None:
    alice, bob = two
    sent = await bob.say(chat, "Hello")
    async with bob.follow(EVENTS) as inbox:
        await until(inbox, "InboxReady")

        await alice.acknowledge(chat, delivered=sent["seq"], read=sent["seq"])
        told = await next_receipt(inbox)
        await alice.mutate(SET_TYPING, id=chat)
        typed = (await until(inbox, "TypingUpdated"))[-1]

    assert told == receipt(alice, chat, sent["seq"], sent["seq"])
    assert (typed["userId"], typed["typing"]) == (alice.id, True)


async def test_who_is_moved_to_the_other_process_resumes_there(two: Two, chat: str) -> None:
    """The same device: its token, its position and what it acknowledged hold at both."""
    alice, bob = two
    for text in ("1", "2", "3"):
        await alice.say(chat, text)
    moved = bob.at(alice.server)
    await bob.acknowledge(chat, delivered=1)

    async with moved.follow(RESUMED) as stream:
        assert await replay(stream) == ([2, 3], 2)
    async with bob.follow(RESUMED, after=position(chat, 2)) as stream:
        assert await replay(stream) == ([3], 1)


async def test_a_message_that_is_sent_again_at_the_other_process_is_stored_once(
    two: Two, chat: str
) -> None:
    alice, bob = two
    draft = alice.draft(chat, "once")

    first = await alice.send(draft)
    again = await alice.at(bob.server).send(draft)

    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["message"]["id"] == again["message"]["id"]


async def test_who_signs_out_at_one_process_is_signed_out_at_the_other(two: Two) -> None:
    alice, bob = two
    async with bob.follow(EVENTS) as inbox:
        await until(inbox, "InboxReady")

        await bob.at(alice.server).mutate(SIGN_OUT)

        assert (await ending(inbox)).close_code == CloseCode.UNAUTHORIZED


async def test_a_new_name_is_seen_at_the_other_process_before_what_is_kept_is_old(
    two: Two,
) -> None:
    alice, bob = two

    async def name_at_the_other() -> str:
        name: str = (await bob.mutate(NAME, id=alice.id))["name"]
        return name

    for name in ("Ann", "Bea", "Cleo"):
        await alice.mutate(RENAME, input={"name": name})
        await eventually(partial(is_called, name_at_the_other, name), within_s=KEPT_S - 5)


async def is_called(read: Callable[[], Awaitable[str]], name: str) -> bool:
    return await read() == name


async def test_both_stay_ready(old: ApiProcess, server: Server) -> None:
    ports = (old.port, server.port)

    async def are_ready() -> bool:
        return [await asyncio.to_thread(http_status, port, "/readyz") for port in ports] == [
            200
        ] * 2

    # A busy machine may be late with an answer.
    assert await eventually(are_ready)
