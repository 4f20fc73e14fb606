"""What one person or address may do, under production's limits, over two nodes."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio

from models.buckets import BLOCKS
from models.limits import Budget, Limits, list_budgets
from parley.engine.engine import Engine
from parley.schema import PUBLIC_FIELDS, make_schema
from parley.settings import Settings
from tests.client import ApiClient, Ended, Json
from tests.make import REFUSAL, SEND, Person
from tests.serving import ServedWith, Server, serve
from tests.waiting import eventually

NOBODY = "usr_" + "0" * 32
NOWHERE = "chn_" + "0" * 32
NOTHING = f"msg_{'0' * 32}_1"
# At most so many mutations in a document.
AT_ONCE = 10


# What a slow machine takes longer for, less comes back meanwhile: no flood is outrun.
SLOWER = 100
BUDGETS: dict[str, Any] = {
    name: replace(budget, window_s=SLOWER * budget.window_s)
    for name, budget in list_budgets(Limits()).items()
}


@pytest_asyncio.fixture(scope="module")
async def production(settings: Settings) -> AsyncIterator[tuple[Server, Server]]:
    """As they ship, but for the pause after a refusal, for these tests try on and on; and that
    tokens come back more slowly.
    """
    limits = replace(settings.limits, **BUDGETS, refusal_pause_s=0)
    strict = replace(settings, limits=limits, trusted_proxies=("127.0.0.1",))
    async with serve(strict) as one, serve(strict) as other:
        yield one, other


@pytest_asyncio.fixture
async def everywhere(alice: Person, production: tuple[Server, Server]) -> list[Person]:
    """Alice at both nodes."""
    return [alice.at(node) for node in production]


class Stranger(ApiClient):
    """Somebody at an address of their own."""

    @property
    def headers(self) -> dict[str, str]:
        return {"x-forwarded-for": "192.0.2.77"}


@dataclass(frozen=True)
class Flood:
    """A mutation that does little and takes from one budget."""

    budget: str
    mutation: str
    # Of one call.
    takes: int = 1
    variables: Json = field(default_factory=dict)
    declared: str = ""


POSITIONS = [{"channelId": "x", "seq": 1}] * 1000
FLOODS = [
    Flood("message_changes_per_user", f'editMessage(messageId: "{NOTHING}", text: "x")'),
    Flood("message_changes_per_user", 'deleteMessage(messageId: "x")'),
    Flood("reactions_per_user", 'react(messageId: "x", emoji: "👍")'),
    Flood("typing_per_user", 'setTyping(channelId: "x", typing: true)'),
    Flood("chats_opened_per_user", 'openChat(userId: "x")'),
    Flood("groups_created_per_user", 'createGroup(input: {name: "x", memberIds: ["x"]})'),
    Flood("groups_joined_per_user", 'joinGroup(input: {inviteToken: "x"})'),
    Flood("group_changes_per_user", 'leaveGroup(groupId: "x")'),
    Flood("setting_changes_per_user", 'revokeDevice(deviceId: "x")'),
    Flood("upload_steps_per_user", 'completeUpload(mediaId: "x")'),
    Flood(
        "members_added_per_user",
        'addMembers(groupId: "x", userIds: $ids)',
        takes=90,
        declared="$ids: [ID!]!",
        variables={"ids": ["x"] * 90},
    ),
    Flood(
        "acknowledgements_per_user",
        "acknowledge(input: {delivered: $all, read: $all})",
        takes=2000,
        declared="$all: [PositionInput!]!",
        variables={"all": POSITIONS},
    ),
]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.mutation.partition("(")[0])
async def test_what_a_flood_may_do_is_the_budget_within_the_blocks_of_two_nodes(
    everywhere: list[Person], bob: Person, flood: Flood
) -> None:
    """Each aliased mutation counts as one, whatever comes of it."""
    budget = BUDGETS[flood.budget]
    documents = 2 + 3 * budget.amount // (2 * flood.takes * AT_ONCE)
    began = time.monotonic()

    answers: list[Json] = []
    for n in range(documents):
        answers += await at_once(everywhere[n % 2], flood)

    allowed = flood.takes * sum(answer.get("code") != "RATE_LIMITED" for answer in answers)
    assert_within(allowed, budget, time.monotonic() - began, slack=2 * flood.takes)
    assert_refused(answers[-1], budget)
    # Nobody else feels it.
    other = await at_once(bob.at(everywhere[0].server), flood)
    assert other[0].get("code") != "RATE_LIMITED"


async def at_once(client: ApiClient, flood: Flood) -> list[Json]:
    fields = " ".join(f"a{n}: {flood.mutation} {{ __typename {REFUSAL} }}" for n in range(AT_ONCE))
    declared = f"({flood.declared})" if flood.declared else ""
    data = await client.query(f"mutation {declared} {{ {fields} }}", **flood.variables)
    return list(data.values())


def assert_within(allowed: int, budget: Budget, took_s: float, *, slack: int = 0) -> None:
    """The budget, more or less by a block for each node; and what came back meanwhile."""
    blocks = 2 * (budget.amount // BLOCKS) + slack
    came_back = took_s * budget.amount / budget.window_s
    assert budget.amount - blocks <= allowed <= budget.amount + blocks + came_back + slack


def assert_refused(answer: Json, budget: Budget) -> None:
    assert (answer["__typename"], answer["code"]) == ("Refusal", "RATE_LIMITED")
    assert 0 < answer["retryAfterMs"] <= 2000 * budget.window_s


async def test_sends_of_all_transports_share_a_budget_and_others_go_on_sending(
    everywhere: list[Person], alice: Person, bob: Person, chat: str
) -> None:
    """HTTP at one node, a websocket at the other, and ten aliases in each document."""
    one, other = everywhere
    began, stored = time.monotonic(), 0
    document, budget = sends_of(chat, AT_ONCE), BUDGETS["sends_per_user"]

    async with other.socket() as socket:
        for n in range(45):
            ids = {f"i{k}": f"http-{n}-{k}" for k in range(AT_ONCE)}
            answers = list((await one.query(document, **ids)).values())
            ids = {f"i{k}": f"socket-{n}-{k}" for k in range(AT_ONCE)}
            answers += (await socket.query(document, **ids)).values()
            stored += sum(each["__typename"] == "SendMessagePayload" for each in answers)
            talk = await bob.at(one.server).say(chat, f"still here {n}")
            assert talk["text"] == f"still here {n}"

    assert_within(stored, budget, time.monotonic() - began, slack=2)
    assert_refused(answers[-1], budget)
    found = await alice.query(f'{{ channel(id: "{chat}") {{ lastSeq }} }}')
    assert found["channel"]["lastSeq"] == stored + 45


def sends_of(chat: str, count: int) -> str:
    declared = ", ".join(f"$i{n}: ID!" for n in range(count))
    fields = " ".join(
        f'a{n}: sendMessage(input: {{channelId: "{chat}", clientMessageId: $i{n}, text: "x"}}) '
        f"{{ __typename {REFUSAL} }}"
        for n in range(count)
    )
    return f"mutation ({declared}) {{ {fields} }}"


async def test_what_was_refused_passes_when_it_is_repeated(
    alice: Person, chat: str, served_with: ServedWith
) -> None:
    few = Budget(amount=60, window_s=60)
    async with served_with(sends_per_user=few, refusal_pause_s=0) as node:
        one = alice.at(node)
        document, codes = sends_of(chat, AT_ONCE), set[str | None]()
        while "RATE_LIMITED" not in codes:
            ids = {f"i{k}": f"{len(codes)}-{k}" for k in range(AT_ONCE)}
            codes |= {each.get("code") for each in (await one.query(document, **ids)).values()}
        draft = one.draft(chat, "later")
        refused = await one.send(draft)
        assert (refused["code"], refused["retryAfterMs"] > 0) == ("RATE_LIMITED", True)

        async def sent() -> Any:
            return (await one.send(draft)).get("message")

        assert (await eventually(sent))["text"] == "later"


async def test_reading_costs_what_the_documents_cost(everywhere: list[Person], bob: Person) -> None:
    dear = "{ channels(first: 49) { nodes { members { nodes { id } } } } }"
    engine = Engine(make_schema(), limits=Limits(), public_fields=PUBLIC_FIELDS)
    cost = engine.prepare(dear, None).cost.total({})
    count = 3 * BUDGETS["read_cost_per_user"].amount // (2 * cost)
    budget, began = BUDGETS["read_cost_per_user"], time.monotonic()
    responses = [await everywhere[n % 2].post(dear) for n in range(count)]

    refused = [each for each in responses if "errors" in each.json()]
    assert_within(cost * (count - len(refused)), budget, time.monotonic() - began, slack=2 * cost)
    assert {each.status_code for each in refused} == {429}
    last = refused[-1]
    (error,) = last.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert int(last.headers["retry-after"]) * 1000 >= error["extensions"]["retryAfterMs"] > 0
    # Who reads too much can still send; others read on.
    assert (await everywhere[0].mutate(SEND, input=everywhere[0].draft(NOWHERE, "x")))["code"] == (
        "NOT_FOUND"
    )
    assert await bob.at(everywhere[0].server).errors(dear) == []


async def test_small_documents_cost_a_hundred(everywhere: list[Person]) -> None:
    budget, began = BUDGETS["read_cost_per_user"], time.monotonic()
    async with everywhere[0].socket() as one, everywhere[1].socket() as other:
        allowed = sum(
            await asyncio.gather(*(_count_answered(socket, 2000) for socket in (one, other)))
        )

    assert_within(100 * allowed, budget, time.monotonic() - began, slack=200)


async def _count_answered(socket: Any, count: int) -> int:
    """One after the other, so that no refill is outrun."""
    answered, codes = 0, set[str]()
    for _ in range(count):
        stream = await socket.subscribe("{ viewer { id } }")
        try:
            await stream.event()
            answered += 1
        except Ended as refused:
            codes |= set(refused.ending.codes)
        else:
            assert (await socket.receive())["type"] == "complete"
    assert codes == {"RATE_LIMITED"}
    return answered


async def test_subscriptions_begun_are_counted(everywhere: list[Person]) -> None:
    follow = f'subscription {{ messageAdded(channelId: "{NOWHERE}") {{ seq }} }}'
    budget, began = BUDGETS["streams_per_user"], time.monotonic()
    codes: list[str] = []
    async with everywhere[0].socket() as socket:
        for _ in range(900):
            stream = await socket.subscribe(follow)
            with pytest.raises(Ended) as ended:
                await stream.event()
            codes += ended.value.ending.codes

    assert_within(codes.count("NOT_FOUND"), budget, time.monotonic() - began, slack=2)
    assert set(codes) == {"NOT_FOUND", "RATE_LIMITED"}


@pytest.mark.parametrize("over", ["http", "sse", "get", "websocket"])
async def test_documents_that_no_cache_holds_are_counted_by_their_size(
    everywhere: list[Person], bob: Person, over: str
) -> None:
    """Of one who is signed in; reading the same ones again is free."""
    budget, began = BUDGETS["new_documents_per_user"], time.monotonic()
    one = everywhere[0]
    texts = [f"{{ viewer {{ id }} }} # {over} {n} {'x' * 1700}" for n in range(250)]
    refused = await _count_refused(one, over, texts)

    allowed = 4 * (len(texts) - refused)
    assert_within(allowed, budget, time.monotonic() - began, slack=8)
    assert await _count_refused(one, over, texts[:10]) == 0
    assert await bob.at(one.server).errors(texts[-1]) == []


async def _count_refused(person: Person, over: str, texts: list[str]) -> int:
    if over == "websocket":
        async with person.socket() as socket:
            return sum([await _is_refused(socket, text) for text in texts])
    accept = "text/event-stream" if over == "sse" else "application/json"
    http, url = person.server.http, person.server.url
    headers = {**person.headers, "accept": accept}
    refused = 0
    for text in texts:
        if over == "get":
            response = await http.get(url, params={"query": text}, headers=headers)
        else:
            response = await http.post(url, json={"query": text}, headers=headers)
        refused += response.status_code == 429
    return refused


async def _is_refused(socket: Any, text: str) -> bool:
    stream = await socket.subscribe(text)
    try:
        await stream.event()
    except Ended as refused:
        return list(refused.ending.codes) == ["RATE_LIMITED"]
    assert (await socket.receive())["type"] == "complete"
    return False


async def test_a_stranger_reads_as_many_documents_as_an_address_may(
    production: tuple[Server, Server], alice: Person
) -> None:
    """Whether they can be read or not; with a token that is not good, too."""
    budget, began = BUDGETS["new_documents_per_address"], time.monotonic()
    server = production[0]
    statuses = []
    for n in range(900):
        query = f"{{ limits {{ pageSize }} }} # stranger {n}" if n % 2 else f"{{ nothing{n} }}"
        headers = {"authorization": "Bearer forged"} if n % 3 else {}
        response = await server.http.post(server.url, json={"query": query}, headers=headers)
        statuses.append(response.status_code)

    assert_within(900 - statuses.count(429), budget, time.monotonic() - began, slack=2)
    assert await alice.at(server).errors("{ viewer { id } } # a new one") == []


async def test_searches_are_counted(everywhere: list[Person]) -> None:
    search = '{ searchMessages(query: "x") { nodes { seq } } }'
    budget, began = BUDGETS["searches_per_user"], time.monotonic()

    answers = [await everywhere[n % 2].errors(search) for n in range(200)]

    assert_within(answers.count([]), budget, time.monotonic() - began, slack=2)
    assert answers[-1] == ["RATE_LIMITED"]


async def test_who_is_not_signed_in_is_counted_by_address(
    production: tuple[Server, Server], alice: Person
) -> None:
    flood = Flood("sign_in_steps_per_address", 'refreshSession(refreshToken: "x")')
    budget, began = BUDGETS["sign_in_steps_per_address"], time.monotonic()
    answers: list[Json] = []
    for n in range(450):
        answers += await at_once(Stranger(production[n % 2]), flood)

    allowed = sum(answer["code"] != "RATE_LIMITED" for answer in answers)
    assert_within(allowed, budget, time.monotonic() - began, slack=2)
    # Those who are signed in go on, and strangers elsewhere.
    assert await alice.at(production[0]).errors("{ viewer { id } }") == []
    (elsewhere, *_) = await at_once(ApiClient(production[0]), flood)
    assert elsewhere["code"] != "RATE_LIMITED"


async def test_large_bodies_are_counted_by_address_before_they_are_read(
    production: tuple[Server, Server], alice: Person
) -> None:
    """Each is deep enough to be refused with 400 once it is read."""
    deep = b'{"query": "{ a }", "variables": {"a": ' + b"[" * 60_000 + b"]" * 60_000 + b"}}"
    kilobytes, budget = len(deep) // 1024, BUDGETS["body_kilobytes_per_address"]
    headers = {"content-type": "application/json", "x-forwarded-for": "192.0.2.78"}
    began, statuses = time.monotonic(), []
    for n in range(3 * budget.amount // (2 * kilobytes)):
        node = production[n % 2]
        statuses.append((await node.http.post(node.url, content=deep, headers=headers)).status_code)

    allowed = kilobytes * statuses.count(400)
    assert_within(allowed, budget, time.monotonic() - began, slack=2 * kilobytes)
    assert set(statuses) == {400, 429}
    assert await alice.at(production[0]).errors("{ viewer { id } }") == []


async def test_clients_read_what_they_could_meet(alice: Person, server: Server) -> None:
    found = (await ApiClient(server).query("{ limits { budgets { name limit seconds } } }"))[
        "limits"
    ]["budgets"]

    by_name = {each["name"]: (each["limit"], each["seconds"]) for each in found}
    assert by_name["sendsPerUser"] == (1_000_000, 60)
    assert by_name["uploadsPerUser"] == (2000, 86_400)
    assert all(name.endswith("PerUser") for name in by_name)
