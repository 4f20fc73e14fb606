"""The explorer's tabs, run in their order against a server by two people, as their files are."""

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from models.close_codes import CloseCode
from models.postgresql.database import Database
from parley.settings import Settings
from tests.client import ending, until
from tests.explorer.window import RULES, Window, read_tabs
from tests.serving import Server, serve
from workers.push.providers.settings import ProviderSettings

TABS = read_tabs()
SIGNING_IN, FOLLOWING, UPLOADING = (1, 2), 5, 15


@pytest_asyncio.fixture
async def node(database: Database, settings: Settings) -> AsyncIterator[Server]:
    """As `make serve` starts one: with a key for Web Push."""
    providers = ProviderSettings(
        web_push_private_key=base64.urlsafe_b64encode(bytes(31) + b"\x01").decode(),
        web_push_subject="mailto:push@mail.example",
    )
    async with serve(replace(settings, providers=providers)) as node:
        yield node


def test_are_numbered_from_one_without_holes() -> None:
    assert list(TABS) == list(range(1, len(TABS) + 1))
    for step, tab in TABS.items():
        assert tab.query.startswith(f"# {step}. ")


async def test_do_in_their_order_what_they_say_and_the_other_person_sees_it(node: Server) -> None:
    alice, bob = Window(node), Window(node, second=True)
    for step in SIGNING_IN:
        await bob.run(TABS[step])

    async with bob.follow(TABS[FOLLOWING]) as bobs:
        await until(bobs, "InboxReady")
        for step in SIGNING_IN:
            await alice.run(TABS[step])
        async with alice.follow(TABS[FOLLOWING]) as own:
            await until(own, "InboxReady")
            await run_the_rest(alice)
            assert (await ending(own)).close_code == CloseCode.UNAUTHORIZED
        seen = [
            *await until(bobs, "TypingUpdated"),
            *await until(bobs, "MessageUpdated"),
            *await until(bobs, "ChannelUpdated"),
            *await until(bobs, "MessageAdded"),
        ]

    texts = [event["message"]["text"] for event in seen if event["__typename"] == "MessageAdded"]
    assert texts == ["Hello from the explorer", "A picture"]
    assert (await alice.client.errors("{ viewer { id } }")) == ["UNAUTHENTICATED"]
    assert_hints_name_tabs_that_tell(alice)


async def test_the_reader_marks_as_read_what_the_writer_then_sees(node: Server) -> None:
    alice, bob = Window(node), Window(node, second=True)
    for step in SIGNING_IN:
        await alice.run(TABS[step])
    for window in (bob, alice):
        for step in (*(SIGNING_IN if window is bob else ()), 3, 4):
            await window.run(TABS[step])

    async with alice.follow(TABS[FOLLOWING]) as own:
        await until(own, "InboxReady")
        sent = await alice.run(TABS[6])
        for step in (7, 8):
            await bob.run(TABS[step])
        receipts = [
            event
            for event in await until(own, "ReceiptUpdated")
            if event["__typename"] == "ReceiptUpdated"
        ]

    page = await alice.run(TABS[7])
    assert receipts[-1]["readSeq"] == sent["message"]["seq"]
    assert [message["status"] for message in page["messages"]["nodes"]] == ["READ"]


async def run_the_rest(window: Window) -> None:
    """Run all but the tabs of signing in and following, in order."""
    for step, tab in TABS.items():
        if step not in (*SIGNING_IN, FOLLOWING):
            await window.run(tab)
        if step == UPLOADING:
            await window.send_bytes()


def assert_hints_name_tabs_that_tell(window: Window) -> None:
    """Every hint names tabs that have told the word, or the one that may stand for it."""
    for word, rule in RULES.items():
        named = {int(step) for step in re.findall(r"\d+", rule["otherwise"])}
        telling = window.told_by[word] | window.told_by.get(rule.get("or", ""), set())
        assert named, word
        assert named <= telling, word
