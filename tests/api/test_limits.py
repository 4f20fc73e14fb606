"""The limits in force, and that they hold for documents."""

import asyncio
import time

import pytest

from tests.client import ApiClient
from tests.make import OPEN_CHAT, Person
from tests.serving import ServedWith, Server

LIMITS = "{ limits { groupMembers messageLength pageSize queryDepth queryCost } }"


async def test_anybody_may_ask_for_them(server: Server) -> None:
    limits = await ApiClient(server).mutate(LIMITS)

    assert limits == {
        "groupMembers": 100,
        "messageLength": 4096,
        "pageSize": 100,
        "queryDepth": 10,
        "queryCost": 5000,
    }


async def test_nothing_that_a_client_could_meet_is_kept_from_it(server: Server) -> None:
    limits = await ApiClient(server).mutate(
        "{ limits { featureLevel aliases directives documentBytes editWindowSeconds "
        "mediaPerMessage mentions } }"
    )

    assert limits == {
        "featureLevel": 2,
        "aliases": 15,
        "directives": 5,
        "documentBytes": 65_536,
        "editWindowSeconds": 900,
        "mediaPerMessage": 10,
        "mentions": 100,
    }


async def test_they_are_those_of_the_settings(alice: Person, served_with: ServedWith) -> None:
    async with served_with(message_length=5, page_size=7) as server:
        limits = await ApiClient(server).mutate(LIMITS)
        assert (limits["messageLength"], limits["pageSize"]) == (5, 7)

        person = alice.at(server)
        notes = await person.open_chat(person)
        refused = await person.send(person.draft(notes, "123456"))
        assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "text")


def deep(levels: int) -> str:
    """`replyTo` in `replyTo`: as many levels as asked for."""
    inner = "seq"
    for _ in range(levels - 4):
        inner = f"replyTo {{ {inner} }}"
    return f"{{ channels {{ nodes {{ lastMessage {{ {inner} }} }} }} }}"


def chain(fragments: int) -> str:
    spread = " ".join(f"fragment F{n} on User {{ id ...F{n + 1} }}" for n in range(fragments - 1))
    return f"{{ viewer {{ ...F0 }} }} {spread} fragment F{fragments - 1} on User {{ id }}"


TOO_MUCH = {
    "16 aliases": "{" + " ".join(f"a{n}: limits {{ pageSize }}" for n in range(16)) + "}",
    "11 root fields": "{ viewer { id } devices { id } limits { pageSize } "
    + " ".join(f"a{n}: viewer {{ id }}" for n in range(8))
    + "}",
    "11 levels": deep(11),
    "11 levels by fragments": "{ channels { nodes { lastMessage { ...A } } } }"
    "fragment A on Message { replyTo { replyTo { replyTo { ...B } } } }"
    "fragment B on Message { replyTo { replyTo { replyTo { replyTo { seq } } } } }",
    "11 levels by inline fragments": deep(11).replace(
        "replyTo { seq }", "... on Message { ... { replyTo { seq } } }"
    ),
    "cost": "{ channels(first: 100) { nodes { messages(first: 100) { nodes { seq } } } } }",
    "6 directives in one place": "{ viewer { id" + " @include(if: true)" * 6 + " } }",
    "3,000 duplicates": "{ viewer {" + " id" * 3000 + " } }",
    "500 fragments": chain(500),
    "400 kB of commas": "{ viewer {" + "," * 60_000 + " id } }" + "," * 100_000,
    "300 comments": "#\n" * 300 + "{ viewer { id } }",
}


@pytest.mark.parametrize("document", TOO_MUCH.values(), ids=TOO_MUCH)
async def test_a_document_that_asks_for_too_much_is_refused(alice: Person, document: str) -> None:
    began = time.thread_time()
    codes = await alice.errors(document)
    took_s = time.thread_time() - began

    assert set(codes) == {"LIMIT_EXCEEDED"}
    assert took_s < 5, "50 ms are meant; this only tells a flood from a refusal"


async def test_a_document_at_the_limits_is_executed(alice: Person) -> None:
    aliases = " ".join(f"a{n}: name" for n in range(15))

    assert await alice.errors(deep(10)) == []
    assert await alice.errors(f"{{ viewer {{ {aliases} }} }}") == []
    assert (
        await alice.errors("{ channels(first: 49) { nodes { members { nodes { id } } } } }") == []
    )


async def test_what_costs_nothing_is_not_counted(alice: Person) -> None:
    """Directives are counted in one place, `edges` is no level, and `__typename` has free names."""
    places = " ".join(f"a{n}: name @include(if: true) @skip(if: false)" for n in range(10))
    names = " ".join(f"t{n}: __typename" for n in range(100))
    steps = deep(10).replace("nodes {", "edges { node {", 1) + "}"

    for document in (f"{{ viewer {{ {places} }} }}", f"{{ viewer {{ {names} }} }}", steps):
        assert await alice.errors(document) == []


MEDIA = (
    "{ id kind state failure fileName contentType byteSize width height durationMs placeholder "
    "renditions { name contentType byteSize width height url urlExpiresAt } }"
)
USER = (
    f"{{ id name about avatar {MEDIA} isBlocked phoneNumber "
    "presence { userId online lastSeenAt } }"
)
SAID = (
    f"id channelId seq kind sender {USER} clientMessageId text media {MEDIA} "
    "location { latitude longitude label } mentions reactions { emoji count userIds } "
    f"system {{ kind actor {USER} subjects {USER} value }} sentAt editedAt deletedAt status "
    "deliveredAt seenAt deliveredCount readCount"
)
LIST_SCREENS = {
    "messages": f"query ($id: ID!) {{ channel(id: $id) {{ messages(last: 100) {{ nodes "
    f"{{ {SAID} replyTo {{ {SAID} }} }} }} }} }}",
    "channels": f"{{ channels(first: 100) {{ nodes {{ id unreadCount lastMessage {{ {SAID} }} "
    f"members(first: 2) {{ nodes {{ user {USER} }} }} "
    f"... on Group {{ name avatar {MEDIA} }} }} }} }}",
    "members": f"query ($id: ID!) {{ channel(id: $id) {{ members(first: 100) {{ nodes "
    f"{{ role user {USER} }} }} }} }}",
}


@pytest.mark.parametrize("screen", LIST_SCREENS)
async def test_a_list_may_show_its_largest_page_with_every_field(
    alice: Person, bob: Person, screen: str
) -> None:
    chat = await alice.open_chat(bob)
    variables = {"id": chat} if "$id" in LIST_SCREENS[screen] else {}

    assert await alice.errors(LIST_SCREENS[screen], **variables) == []


async def test_aliases_of_one_mutation_run_nothing(alice: Person, bob: Person) -> None:
    one = "openChat(userId: $u) { __typename }"
    flood = "mutation ($u: ID!) {" + " ".join(f"a{n}: {one}" for n in range(1000)) + "}"

    assert await alice.errors(flood, u=bob.id) == ["LIMIT_EXCEEDED"]
    assert (await alice.mutate(OPEN_CHAT, userId=bob.id))["created"] is True


async def test_batches_are_not_taken(alice: Person) -> None:
    batch = [{"query": "{ viewer { id } }"}] * 50

    answer = await alice.server.http.post(alice.server.url, json=batch, headers=alice.headers)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_floods_leave_others_their_answers(alice: Person, bob: Person) -> None:
    """20 at a time of the worst; a normal query still has its answer."""
    worst = [alice.errors(document) for document in TOO_MUCH.values()] * 1
    flood = asyncio.gather(*worst, *(alice.errors(TOO_MUCH["3,000 duplicates"]) for _ in range(10)))

    began = time.thread_time()
    assert await bob.mutate("{ viewer { name } }") == {"name": "Bob"}
    took_s = time.thread_time() - began

    await flood
    assert took_s < 5
