"""People: the viewer, others by id and by number, and the viewer's own profile."""

from dataclasses import replace
from typing import Any

import pytest

from tests.make import AnotherDevice, MakePerson, Person
from tests.serving import ServedWith, Server

UNKNOWN = "usr_" + "0" * 32

VIEWER = "{ viewer { id name about phoneNumber } }"
USER = "query ($id: ID!) { user(id: $id) { id name about phoneNumber } }"
BY_PHONE = """query ($numbers: [PhoneNumber!]!) { usersByPhone(phoneNumbers: $numbers) {
    id name phoneNumber } }"""
UPDATE = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename
    ... on UpdateProfilePayload { user { id name about } } ... on Refusal { code field } } }"""


async def test_the_viewer_is_who_asks(alice: Person) -> None:
    assert await alice.mutate(VIEWER) == {
        "id": alice.id,
        "name": "Alice",
        "about": None,
        "phoneNumber": alice.number,
    }


async def test_others_are_seen_without_their_number(alice: Person, bob: Person) -> None:
    seen = await alice.mutate(USER, id=bob.id)

    assert seen == {"id": bob.id, "name": "Bob", "about": None, "phoneNumber": None}


async def test_a_number_is_seen_by_who_knew_it(alice: Person, bob: Person, carol: Person) -> None:
    found = await alice.mutate(BY_PHONE, numbers=["+14155559999", bob.number, bob.number])

    assert found == [{"id": bob.id, "name": "Bob", "phoneNumber": bob.number}]
    assert (await alice.mutate(USER, id=bob.id))["phoneNumber"] == bob.number
    assert (await carol.mutate(USER, id=bob.id))["phoneNumber"] is None
    assert (await bob.mutate(USER, id=alice.id))["phoneNumber"] is None


async def test_people_come_in_the_order_of_their_numbers(
    alice: Person, bob: Person, carol: Person
) -> None:
    found = await alice.mutate(BY_PHONE, numbers=[carol.number, alice.number, bob.number])

    assert [user["name"] for user in found] == ["Carol", "Alice", "Bob"]
    assert await alice.mutate(BY_PHONE, numbers=[]) == []


async def test_at_most_a_hundred_numbers_a_call(alice: Person) -> None:
    numbers = [f"+1415555{n:04}" for n in range(2000, 2101)]

    assert await alice.mutate(BY_PHONE, numbers=numbers[:100]) == []
    assert await alice.errors(BY_PHONE, numbers=numbers) in (["INVALID_INPUT"], ["LIMIT_EXCEEDED"])


async def test_numbers_are_budgeted_over_all_nodes(
    alice: Person, bob: Person, person: MakePerson, served_with: ServedWith, settings: Any
) -> None:
    budget = type(settings.limits.contact_numbers_per_user)(amount=150, window_s=3600)
    numbers = [f"+1415555{n:04}" for n in range(2000, 2100)]
    async with (
        served_with(contact_numbers_per_user=budget) as one,
        served_with(contact_numbers_per_user=budget) as other,
    ):
        assert await alice.at(one).errors(BY_PHONE, numbers=numbers) == []
        answer = (await alice.at(other).post(BY_PHONE, numbers=numbers)).json()
        assert await bob.at(other).errors(BY_PHONE, numbers=numbers) == []

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["retryAfterMs"] <= 2 * 3600 * 1000


@pytest.mark.parametrize("name", ["contact_numbers_per_address", "contact_numbers_overall"])
async def test_numbers_are_budgeted_by_address_and_overall(
    alice: Person, bob: Person, served_with: ServedWith, settings: Any, name: str
) -> None:
    budget = replace(getattr(settings.limits, name), amount=150)
    numbers = [f"+1415555{n:04}" for n in range(2000, 2100)]
    async with served_with(**{name: budget}) as server:
        assert await alice.at(server).errors(BY_PHONE, numbers=numbers) == []
        assert await bob.at(server).errors(BY_PHONE, numbers=numbers) == ["RATE_LIMITED"]


@pytest.mark.parametrize("user_id", [UNKNOWN, "", "chn_" + "0" * 32, "nobody"])
async def test_who_does_not_exist_is_null(alice: Person, user_id: str) -> None:
    assert await alice.mutate(USER, id=user_id) is None


async def test_absent_keeps_and_null_clears(alice: Person) -> None:
    changed = await alice.mutate(UPDATE, input={"name": " Alicia ", "about": "Here"})
    kept = await alice.mutate(UPDATE, input={})
    cleared = await alice.mutate(UPDATE, input={"about": None})

    assert changed["user"] == {"id": alice.id, "name": "Alicia", "about": "Here"}
    assert kept["user"] == changed["user"]
    assert cleared["user"] == {"id": alice.id, "name": "Alicia", "about": None}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"about": "x" * 501}, "about"),
        ({"about": "bell\x07"}, "about"),
    ],
    ids=str,
)
async def test_what_cannot_be_shown_is_refused(
    alice: Person, change: dict[str, Any], field: str
) -> None:
    refused = await alice.mutate(UPDATE, input={"name": "Mallory"} | change)

    assert refused == {"__typename": "Refusal", "code": "INVALID_INPUT", "field": field}
    assert (await alice.mutate(VIEWER))["name"] == "Alice"


async def test_a_change_is_seen_at_once_everywhere(
    alice: Person, bob: Person, chat: str, other_server: Server, another_device: AnotherDevice
) -> None:
    tablet = (await another_device(alice)).at(other_server)
    assert (await tablet.mutate(VIEWER))["name"] == "Alice"

    await alice.mutate(UPDATE, input={"name": "Alicia"})

    assert (await tablet.mutate(VIEWER))["name"] == "Alicia"
    assert (await bob.at(other_server).mutate(USER, id=alice.id))["name"] == "Alicia"
