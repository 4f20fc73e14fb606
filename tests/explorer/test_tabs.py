"""The explorer's tabs, run in their order against a server by two people, as their files are."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from models.close_codes import CloseCode
from models.postgresql.database import Database
from parley.settings import Settings
from tests.client import WITHIN_S, SocketStream, ending, until
from tests.explorer.window import RULES, Window, read_tabs
from tests.serving import Server, serve
from workers.push.providers.settings import ProviderSettings

TABS = read_tabs()
SIGNING_IN, FOLLOWING, UPLOADING = (1, 2), 5, 15
TEXTS = ["Hello from the explorer", "A picture"]


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
            ready = (await until(own, "InboxReady"))[-1]
            alice.learn(FOLLOWING, {"inbox": ready})
            await run_the_rest(alice)
            assert (await ending(own)).close_code == CloseCode.UNAUTHORIZED
        await see(bobs, {"TypingUpdated", "MessageUpdated", "ChannelUpdated"}, TEXTS)

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
        async with asyncio.timeout(WITHIN_S):
            while (await own.event()).get("readSeq") != sent["message"]["seq"]:
                pass

    page = await alice.run(TABS[7])
    assert [message["status"] for message in page["messages"]["nodes"]] == ["READ"]


async def test_the_cursor_that_a_comment_gives_is_acknowledged(node: Server) -> None:
    alice = Window(node)
    for step in SIGNING_IN:
        await alice.run(TABS[step])
    async with alice.follow(TABS[FOLLOWING]) as own:
        ready = (await until(own, "InboxReady"))[-1]
        alice.learn(FOLLOWING, {"inbox": ready})
    comment = "".join(re.findall(r"^#   (.*)$", TABS[8].query, re.MULTILINE))

    acknowledged = await alice.run(replace(TABS[8], variables=comment))

    assert acknowledged == {"positions": []}


async def see(stream: SocketStream, kinds: set[str], texts: list[str]) -> None:
    """Wait until events of all these kinds have come, in any order, and the messages in theirs."""
    found: set[str] = set()
    added: list[str] = []
    async with asyncio.timeout(WITHIN_S):
        while not (kinds <= found and len(added) >= len(texts)):
            event = await stream.event()
            found.add(event["__typename"])
            if event["__typename"] == "MessageAdded":
                added.append(event["message"]["text"])
    assert added == texts


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
