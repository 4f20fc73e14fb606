"""The conformance kit: ours pass it, and it says what is wrong with clients that do not."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clients.conformance.driver import Driver, Misbehaved, Program, read_answer
from clients.conformance.people import DELETE, EDIT
from clients.conformance.picture import differences, take_picture
from clients.conformance.report import name_of, run_scenarios
from clients.conformance.scenarios import SCENARIOS, Scenario, first_sync
from clients.conformance.world import Different, Target, World, make_world
from clients.python.adapter import Adapter
from clients.python.reducer import Json, Replica
from tests.serving import ServedWith, Server
from tests.waiting import eventually

REPLAY_ENTRIES = 20
# Here a process is killed; the others need none.
BY_PROGRAM = {"killed"}


class InTheTest:
    """The adapter of the Python kit without its program."""

    def __init__(self, replica: type[Replica] = Replica) -> None:
        self._adapter = Adapter()
        self._adapter.replica = replica

    async def tell(self, do: str, **arguments: Any) -> Json:
        answer = await self._adapter.answer({"id": 1, "do": do, **arguments})
        assert answer["ok"], answer
        return answer

    async def kill(self) -> None:
        await self._adapter.stop()


async def in_the_test() -> Driver:
    return InTheTest()


async def program() -> Driver:
    return await Program.start([sys.executable, "-m", "clients.python.adapter"])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
async def test_the_python_kit_passes(
    server: Server, served_with: ServedWith, scenario: Scenario
) -> None:
    start = program if name_of(scenario) in BY_PROGRAM else in_the_test
    if name_of(scenario) == "resync":
        async with served_with(replay_entries=REPLAY_ENTRIES) as node:
            await passes(Target(node.url, REPLAY_ENTRIES), scenario, start)
    else:
        await passes(Target(server.url), scenario, start)


async def passes(
    target: Target, scenario: Scenario, start: Callable[[], Awaitable[Driver]]
) -> None:
    told: list[str] = []

    (result,) = await run_scenarios([scenario], target, start, told.append)

    assert result.found == []
    assert told[0].startswith(f"passed  {name_of(scenario)} ")


class TakesNoEdits(Replica):
    def apply(self, event: Json) -> None:
        if event["__typename"] == "MessageUpdated":
            event = {name: value for name, value in event.items() if name != "message"}
        super().apply(event)


class LosesAMessage(Replica):
    def _take_entry(self, channel: Json, event: Json) -> None:
        super()._take_entry(channel, event)
        channel["messages"].pop(2, None)


class StandsStill(Replica):
    def apply(self, event: Json) -> None:
        """Takes nothing of what comes live."""


async def change(world: World, *, once_shown: bool) -> None:
    """Send two messages, then change them; a message that comes late comes as it is by then."""
    second = await world.alice.say(world.chat, "second")
    third = await world.alice.say(world.chat, "third")
    if once_shown:
        await world.same()
    await world.alice.ask(EDIT, id=second, text="second, edited")
    await world.alice.ask(DELETE, id=third)


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (
            TakesNoEdits,
            [
                "message 2 differs: text is 'second', and 'second, edited' at the server",
                "message 2 differs: edited is False, and True at the server",
                "message 3 differs: text is 'third', and None at the server",
                "message 3 differs: deleted is False, and True at the server",
            ],
        ),
        (
            LosesAMessage,
            ["message 2 is missing"],
        ),
        (
            StandsStill,
            [
                "lastSeq is 1, and 5 at the server",
                "message 2 is missing",
                "message 3 is missing",
            ],
        ),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
async def test_a_broken_reducer_is_found(
    server: Server, broken: type[Replica], expected: list[str]
) -> None:
    async def start() -> Driver:
        return InTheTest(broken)

    async with make_world(Target(server.url), start) as world:
        client = await world.started()
        await change(world, once_shown=broken is TakesNoEdits)

        async def found() -> list[str]:
            sentences = differences(await take_picture(world.bob), await client.picture())
            # What is counted follows, and the server's count may have come meanwhile.
            return [each for each in sentences if "unreadCount" not in each]

        async def as_expected() -> bool:
            return sorted(await found()) == sorted(
                f"in {world.chat} {sentence}" for sentence in expected
            )

        await eventually(as_expected)
        world.within_s = 0
        with pytest.raises(Different, match="message 2"):
            await world.same()


async def test_a_client_that_does_not_answer_is_told_so(server: Server) -> None:
    async def start() -> Driver:
        return await Program.start([sys.executable, "-c", "print('hello')"])

    told: list[str] = []
    (result,) = await run_scenarios([first_sync], Target(server.url), start, told.append)

    assert result.found == ["the answer to start is no JSON: b'hello\\n'"]
    assert told[0].startswith("FAILED  first_sync ")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "the program ended before it answered dump"),
        (b'{"id": 2, "ok": true}\n', "does not have its id, 1"),
        (b'{"id": 1, "ok": false, "why": "no disk"}\n', "could not dump: no disk"),
    ],
    ids=["end", "another's", "failed"],
)
def test_an_answer_that_is_none_is_told(line: bytes, why: str) -> None:
    with pytest.raises(Misbehaved, match=why):
        read_answer("dump", 1, line)


MESSAGE = {"seq": 1, "text": "Hello", "clientMessageId": "a"}
LATER = {"seq": 3, "text": "Bye", "clientMessageId": "b"}
CHANNEL = {"id": "chat", "lastSeq": 3, "unreadCount": 2, "memberIds": ["a", "b"]}


def shown(*messages: Json, **changed: Any) -> Json:
    channel = {**CHANNEL, **changed, "messages": list(messages)}
    return {"channels": [channel], "outbox": [], "signedOut": False}


@pytest.mark.parametrize(
    ("client", "sentences"),
    [
        (shown(MESSAGE, LATER), []),
        (shown(LATER, MESSAGE), ["in chat messages are not in the order of seq: [3, 1]"]),
        (shown(MESSAGE, LATER, LATER), ["in chat message 3 is shown twice"]),
        (shown(MESSAGE), ["in chat message 3 is missing"]),
        (shown(MESSAGE, LATER, {**LATER, "seq": 4}), ["message 4 is shown, and the server has"]),
        (shown(MESSAGE, LATER, lastSeq=2), ["in chat lastSeq is 2, and 3 at the server"]),
        (shown(MESSAGE, LATER, id="other"), ["other is shown, and", "chat is missing"]),
        ({**shown(MESSAGE, LATER), "outbox": [{"text": "Hi"}]}, ["'Hi' is still in the outbox"]),
    ],
    ids=["same", "order", "twice", "missing", "made up", "behind", "other channel", "outbox"],
)
def test_each_difference_is_a_sentence(client: Json, sentences: list[str]) -> None:
    server = [{**CHANNEL, "messages": [MESSAGE, LATER]}]

    found = differences(server, client)

    assert len(found) == len(sentences)
    for sentence, told in zip(sentences, found, strict=True):
        assert sentence in told


def test_a_client_may_hold_the_newest_messages_alone() -> None:
    messages = [{"seq": seq, "text": str(seq)} for seq in range(1, 101)]
    server = [{**CHANNEL, "messages": messages}]

    assert differences(server, shown(*messages[50:])) == []
    assert differences(server, shown(*messages[60:])) != []


def test_the_page_names_every_scenario() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text("utf-8")

    for scenario in SCENARIOS:
        about = " ".join((scenario.__doc__ or "").split())
        assert f"| `{name_of(scenario)}` | {about} |" in page
