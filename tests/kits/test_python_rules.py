"""The Python kit's rules: what it does about close codes, refusals and values that it does not
know; and the chat at the top of its README.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLEnumType, build_schema, parse, validate
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from clients.conformance.people import sign_in
from clients.python import documents, reducer, values
from clients.python.failures import (
    Incompatible,
    NoAnswer,
    Refused,
    ServerFault,
    Unauthenticated,
    failure,
)
from clients.python.inbox import FAULTS, Inbox, end
from clients.python.outbox import Outbox
from clients.python.patience import Patience
from clients.python.reducer import Json
from clients.python.session import Session, Tokens
from clients.python.store import FileStore, MemoryStore, Store
from models.close_codes import CloseCode
from parley.schema import print_schema
from tests.serving import Server
from tests.waiting import eventually, steps

SCHEMA = build_schema(print_schema())
AT_ONCE = Patience(answer_s=60, ping_s=60, retry_s=0)
# Who waits for this never comes back within a test.
NEVER = Patience(answer_s=60, ping_s=60, retry_s=100_000)
READY = {"__typename": "InboxReady", "cursor": "c"}


# ------------------------------------------------------------------ close codes


class Refreshes(Session):
    """A session whose refreshes need no server."""

    async def refresh(self, rejected: str) -> None:
        assert self.tokens.access == rejected
        self.keep(Tokens(f"{rejected}+", "refresh", "usr"))


@asynccontextmanager
async def closing_with(*codes: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that closes each connection with the next of these codes, and goes on with the one
    after the last. Yields its address, and the tokens that it has seen.
    """
    left = list(codes)
    seen: list[str] = []

    async def answer(connection: ServerConnection) -> None:
        init = json.loads(await connection.recv())
        seen.append(init["payload"]["authorization"])
        await connection.send(json.dumps({"type": "connection_ack"}))
        subscribe = json.loads(await connection.recv())
        if left:
            await connection.close(left.pop(0))
            return
        told = {"id": subscribe["id"], "type": "next", "payload": {"data": {"inbox": READY}}}
        await connection.send(json.dumps(told))
        await connection.wait_closed()

    protocols = [Subprotocol("graphql-transport-ws")]
    async with serve(answer, "127.0.0.1", 0, subprotocols=protocols) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}/graphql", seen


async def first_event(url: str, patience: Patience) -> Json:
    session = Refreshes(url, MemoryStore(), patience)
    session.keep(Tokens("a", "refresh", "usr"))
    events = Inbox(url, session, {}, patience).events()
    try:
        return await asyncio.wait_for(anext(events), 60)
    finally:
        await events.aclose()


@pytest.mark.parametrize("code", [1001, 1011, 1013, 4408, 4999])
async def test_a_lost_connection_is_opened_again(code: int) -> None:
    async with closing_with(code, code) as (url, seen):
        assert await first_event(url, AT_ONCE) == READY

    assert len(seen) == 3


async def test_a_restarting_server_is_left_for_another_at_once() -> None:
    async with closing_with(CloseCode.SERVICE_RESTART) as (url, seen):
        assert await first_event(url, NEVER) == READY

    assert len(seen) == 2


async def test_a_refused_token_is_never_shown_again() -> None:
    async with closing_with(CloseCode.UNAUTHORIZED, CloseCode.UNAUTHORIZED) as (url, seen):
        assert await first_event(url, NEVER) == READY

    assert seen == ["Bearer a", "Bearer a+", "Bearer a++"]


@pytest.mark.parametrize("code", sorted(FAULTS))
async def test_a_fault_of_the_client_ends_it(code: int) -> None:
    async with closing_with(code) as (url, seen):
        with pytest.raises(Incompatible, match=str(code)):
            await first_event(url, AT_ONCE)

    assert len(seen) == 1


async def test_a_connection_that_is_given_up_early_is_closed() -> None:
    """Before it was acknowledged: gql leaves it open."""
    asked, closed = asyncio.Event(), asyncio.Event()

    async def hesitate(connection: ServerConnection) -> None:
        await connection.recv()
        asked.set()
        await connection.wait_closed()
        closed.set()

    protocols = [Subprotocol("graphql-transport-ws")]
    async with serve(hesitate, "127.0.0.1", 0, subprotocols=protocols) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        waiting = asyncio.create_task(first_event(f"http://127.0.0.1:{port}/graphql", AT_ONCE))
        await asyncio.wait_for(asked.wait(), 60)
        waiting.cancel()
        await asyncio.wait([waiting])

        await asyncio.wait_for(closed.wait(), 60)


# ------------------------------------------------------------------ refusals and sends


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "RATE_LIMITED", "reason": "", "retryAfterMs": 1500}, NoAnswer),
        ({"code": "UNAVAILABLE", "reason": ""}, NoAnswer),
        ({"message": "", "extensions": {"code": "INTERNAL"}}, ServerFault),
        ({"message": "", "extensions": {"code": "UNAUTHENTICATED"}}, Unauthenticated),
        ({"code": "BLOCKED", "reason": ""}, Refused),
        ({"code": "A_CODE_OF_2030", "reason": ""}, Refused),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_a_failure_is_what_to_do_about_it(error: Json, expected: type[Exception]) -> None:
    assert type(failure(error)) is expected


def test_the_pause_that_the_server_asks_for_is_kept() -> None:
    asked = failure({"code": "RATE_LIMITED", "reason": "", "retryAfterMs": 1500})

    assert isinstance(asked, NoAnswer)
    assert asked.retry_after_s == 1.5


class Answers:
    """Answers sends, each with the next of these; an exception is raised. None: it is stored."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.sent: list[str] = []

    async def ask(self, document: str, **variables: Any) -> Json:
        self.asked.append(variables["input"]["text"])
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer
        return {"message": variables["input"]}

    def outbox(self, store: Store) -> Outbox:
        return Outbox(store, self.ask, lambda message: self.sent.append(message["text"]), AT_ONCE)


async def run_until_answered(outbox: Outbox, count: int) -> None:
    """Run until no more than `count` drafts are left, all of them refused."""
    running = asyncio.create_task(outbox.run())
    await eventually(lambda: len(outbox.drafts) == count and all(d.refused for d in outbox.drafts))
    running.cancel()
    await asyncio.wait([running])


async def test_sends_of_a_channel_wait_for_each_other() -> None:
    answers = Answers(NoAnswer("lost"), NoAnswer("lost"))
    outbox = answers.outbox(MemoryStore())
    for text in "abc":
        outbox.add("chat", text)

    await run_until_answered(outbox, 0)

    assert answers.asked == ["a", "a", "a", "b", "c"]
    assert answers.sent == ["a", "b", "c"]


async def test_a_refused_message_is_kept_and_the_next_ones_go_on() -> None:
    store = MemoryStore()
    answers = Answers(Refused("BLOCKED", ""), None, ServerFault("INTERNAL"), ServerFault("again"))
    outbox = answers.outbox(store)
    refused = outbox.add("chat", "a")
    for text in "bc":
        outbox.add("chat", text)
    await run_until_answered(outbox, 2)

    again = answers.outbox(store)
    assert [(d.input["text"], d.refused) for d in again.drafts] == [
        ("a", "BLOCKED"),
        ("c", "INTERNAL"),
    ]
    again.retry(refused)
    again.drop(again.drafts[1].input["clientMessageId"])
    await run_until_answered(again, 0)

    assert answers.sent == ["b", "a"]
    assert store.load() == {}


async def test_what_the_inbox_has_shown_is_not_sent_again() -> None:
    answers = Answers(*[NoAnswer("lost", retry_after_s=100_000)])
    outbox = answers.outbox(MemoryStore())
    shown = outbox.add("chat", "a")
    running = asyncio.create_task(outbox.run())
    await eventually(lambda: answers.asked == ["a"])

    outbox.drop(shown)

    assert outbox.drafts == []
    running.cancel()
    await asyncio.wait([running])


# ------------------------------------------------------------------ values, documents, stores


@pytest.mark.parametrize("known", [values.MessageKind, values.RefusalCode])
def test_an_enum_has_the_schemas_values_and_one_for_those_to_come(
    known: type[values.Known],
) -> None:
    type_ = SCHEMA.type_map[known.__name__]
    assert isinstance(type_, GraphQLEnumType)

    assert {each.value for each in known} == {*type_.values, "UNKNOWN"}
    assert known("SOMETHING_OF_2030").name == "UNKNOWN"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("TEXT", "Hello", "Hello"),
        ("IMAGE", None, "(image)"),
        ("IMAGE", "the beach", "(image) the beach"),
        ("SYSTEM", None, "(something changed here)"),
        ("HOLOGRAM", None, "(this app is too old to show this message)"),
        ("HOLOGRAM", "Hello", "Hello"),
    ],
)
def test_every_message_has_a_line(kind: str, text: str | None, expected: str) -> None:
    assert values.line({"kind": kind, "text": text, "deletedAt": None}) == expected
    assert values.line({"kind": kind, "text": text, "deletedAt": "2026"}) == "(deleted)"


def test_all_documents_are_valid() -> None:
    texts = [
        text
        for module in (documents, reducer)
        for text in vars(module).values()
        if isinstance(text, str) and re.search(r"^(query|mutation|subscription) \w", text, re.M)
    ]

    assert len(texts) == 12
    for text in texts:
        assert validate(SCHEMA, parse(text)) == [], text


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_store_keeps_rows_and_deletes_what_is_none(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else FileStore(tmp_path / "rows")
    store.save({"a": 1, "b": {"c": [2]}})
    store.save({"a": None, "d": "e"})

    assert store.load() == {"b": {"c": [2]}, "d": "e"}
    if kind == "file":
        assert FileStore(tmp_path / "rows").load() == store.load()
        assert (tmp_path / "rows").stat().st_mode & 0o077 == 0


async def test_the_chat_of_the_readme_talks(server: Server, tmp_path: Path) -> None:
    page = (Path(documents.__file__).parent / "README.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(code.splitlines()) <= 20
    root = Path(__file__).parents[2]

    async with sign_in(server.url, "Bob") as bob:
        for old, new in {
            "http://127.0.0.1:8000/graphql": server.url,
            "+14155550102": bob.number,
            "{name}.sqlite": f"{tmp_path}/{{name}}.sqlite",
        }.items():
            assert old in code
            code = code.replace(old, new)
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-u", "-c", code),
            cwd=root,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            program.stdin.write(b"Hello, Bob\n")
            told = await asyncio.wait_for(program.stdout.readline(), 60)
            program.stdin.write(b"\n")
            await asyncio.wait_for(program.wait(), 60)
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()

    assert told == b"Hello, Bob\n"
    assert program.returncode == 0


async def test_a_task_that_swallows_its_cancellation_is_ended() -> None:
    swallowed = asyncio.Event()

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        swallowed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await steps(2)

    async with asyncio.timeout(60):
        await end(task)

    assert swallowed.is_set()
    assert task.cancelled()
