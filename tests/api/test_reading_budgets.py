"""Budgets of reading: documents by their cost and size, searches, subscriptions and bodies."""

import asyncio
import time
from typing import Any

import pytest

from models.limits.limits import Budget, Limits
from models.postgresql.database import Database
from parley.engine.engine import Engine
from parley.schema import PUBLIC_FIELDS, make_schema
from tests.api.budgeting import BUDGETS, Flood, assert_within, at_once, refilled
from tests.client import ApiClient, Ended, Json
from tests.make import SEND, Person
from tests.serving import ServedWith, Server
from tests.uploading import make_media, sent_media

NOWHERE = "chn_" + "0" * 32


class Stranger(ApiClient):
    """Somebody at an address of their own."""

    @property
    def headers(self) -> dict[str, str]:
        return {"x-forwarded-for": "192.0.2.77"}


async def test_reading_costs_what_the_documents_cost(everywhere: list[Person], bob: Person) -> None:
    dear = "{ channels(first: 49) { nodes { members { nodes { id } } } } }"
    engine = Engine(make_schema(), limits=Limits(), public_fields=PUBLIC_FIELDS)
    cost = engine.prepare(dear, None).cost.total({})
    count = 3 * BUDGETS["read_cost_per_user"].amount // (2 * cost)
    budget, began = BUDGETS["read_cost_per_user"], time.monotonic()
    responses = []
    for n in range(count):
        one = everywhere[n % 2]
        responses.append(await one.post(dear))
        if responses[-1].status_code == 429:
            await refilled(one.server)

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
        counts = await asyncio.gather(
            *(
                _count_answered(socket, person.server, 2000)
                for socket, person in zip((one, other), everywhere, strict=True)
            )
        )

    assert_within(100 * sum(counts), budget, time.monotonic() - began, slack=200)


async def _count_answered(socket: Any, node: Server, count: int) -> int:
    answered, codes = 0, set[str]()
    for _ in range(count):
        stream = await socket.subscribe("{ viewer { id } }")
        try:
            await stream.event()
            answered += 1
        except Ended as refused:
            codes |= set(refused.ending.codes)
            await refilled(node)
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
            if codes[-1] == "RATE_LIMITED":
                await refilled(everywhere[0].server)

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
            return sum([await _is_refused(socket, person.server, text) for text in texts])
    accept = "text/event-stream" if over == "sse" else "application/json"
    http, url = person.server.http, person.server.url
    headers = {**person.headers, "accept": accept}
    refused = 0
    for text in texts:
        if over == "get":
            response = await http.get(url, params={"query": text}, headers=headers)
        else:
            response = await http.post(url, json={"query": text}, headers=headers)
        if response.status_code == 429:
            refused += 1
            await refilled(person.server)
    return refused


async def _is_refused(socket: Any, node: Server, text: str) -> bool:
    stream = await socket.subscribe(text)
    try:
        await stream.event()
    except Ended as refused:
        await refilled(node)
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
        if response.status_code == 429:
            await refilled(server)

    assert_within(900 - statuses.count(429), budget, time.monotonic() - began, slack=2)
    assert await alice.at(server).errors("{ viewer { id } } # a new one") == []


async def test_searches_are_counted(everywhere: list[Person]) -> None:
    search = '{ searchMessages(query: "x") { nodes { seq } } }'
    budget, began = BUDGETS["searches_per_user"], time.monotonic()

    answers = []
    for n in range(200):
        answers.append(await everywhere[n % 2].errors(search))
        if answers[-1]:
            await refilled(everywhere[n % 2].server)

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
        if statuses[-1] == 429:
            await refilled(node)

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


async def test_a_large_answer_is_paid_by_its_size(
    database: Database, alice: Person, bob: Person, chat: str, served_with: ServedWith
) -> None:
    """An album holds ten files with three addresses each: more than its document is taken to."""
    files = [await make_media(database, alice) for _ in range(10)]
    for _ in range(20):
        await sent_media(alice, chat, *files)
    page = "messages { nodes { media { renditions { url } thumbnail { url } preview { url } } } }"
    albums = f"query ($id: ID!) {{ channel(id: $id) {{ a: {page} b: {page} }} }}"
    budget, began = Budget(amount=30_000, window_s=6000), time.monotonic()
    async with served_with(read_cost_per_user=budget, refusal_pause_s=0) as server:
        one = alice.at(server)
        answers = [await one.post(albums, id=chat) for _ in range(40)]
        assert await bob.at(server).errors("{ viewer { id } }") == []

    paid = [len(each.content) // 100 for each in answers if each.status_code == 200]
    assert paid[0] > 3000
    assert_within(sum(paid), budget, time.monotonic() - began, slack=2 * paid[0])
    assert {each.status_code for each in answers} == {200, 429}
