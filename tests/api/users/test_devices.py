"""Devices: the list, signing out, signing another one out."""

import pytest

from models.postgresql.database import Database
from tests.client import ApiClient
from tests.make import REFUSAL, AnotherDevice, Person
from tests.serving import Server
from tests.waiting import eventually

DEVICES = "{ devices { id name platform isCurrent createdAt lastActiveAt } }"
SIGN_OUT = (
    f"mutation {{ signOut {{ __typename ... on RevokeDevicePayload {{ deviceId }} {REFUSAL} }} }}"
)
REVOKE = f"""mutation ($id: ID!) {{ revokeDevice(deviceId: $id) {{ __typename
    ... on RevokeDevicePayload {{ deviceId }} {REFUSAL} }} }}"""
REFRESH = """mutation ($token: String!) { refreshSession(refreshToken: $token) { __typename
    ... on Refusal { code } } }"""
VIEWER = "{ viewer { name } }"


async def is_refused(device: ApiClient) -> bool:
    return await device.errors(VIEWER) == ["UNAUTHENTICATED"]


async def test_the_list_has_this_device_first(
    alice: Person, bob: Person, another_device: AnotherDevice
) -> None:
    tablet = await another_device(alice)

    found = await alice.mutate(DEVICES)

    assert [(each["id"], each["isCurrent"]) for each in found] == [
        (alice.device_id, True),
        (tablet.device_id, False),
    ]
    assert {(each["name"], each["platform"]) for each in found} == {("Alice's phone", "IOS")}
    on_tablet = await tablet.mutate(DEVICES)
    assert on_tablet[0]["id"] == tablet.device_id


async def test_sign_out_ends_this_device_on_all_nodes(
    alice: Person, other_server: Server, another_device: AnotherDevice
) -> None:
    tablet = await another_device(alice)
    elsewhere = alice.at(other_server)
    assert not await is_refused(elsewhere)

    assert await alice.mutate(SIGN_OUT) == {
        "__typename": "RevokeDevicePayload",
        "deviceId": alice.device_id,
    }

    assert await is_refused(alice)
    await eventually(lambda: is_refused(elsewhere))
    refreshed = await tablet.mutate(REFRESH, token=alice.refresh_token)
    assert refreshed["code"] == "SESSION_REVOKED"
    assert [each["id"] for each in await tablet.mutate(DEVICES)] == [tablet.device_id]


async def test_another_device_is_signed_out_and_stays_so(
    alice: Person, other_server: Server, another_device: AnotherDevice
) -> None:
    tablet = (await another_device(alice)).at(other_server)
    assert not await is_refused(tablet)

    revoked = await alice.mutate(REVOKE, id=tablet.device_id)
    again = await alice.mutate(REVOKE, id=tablet.device_id)

    assert revoked == again == {"__typename": "RevokeDevicePayload", "deviceId": tablet.device_id}
    await eventually(lambda: is_refused(tablet))
    assert not await is_refused(alice)


@pytest.mark.parametrize("device_id", ["dev_" + "0" * 32, "usr_" + "0" * 32, "", "dev_"])
async def test_what_is_no_device_is_not_found(alice: Person, device_id: str) -> None:
    refused = await alice.mutate(REVOKE, id=device_id)

    assert (refused["code"], refused["field"]) == ("NOT_FOUND", "deviceId")


async def test_anothers_device_looks_like_none(
    alice: Person, bob: Person, database: Database
) -> None:
    theirs = await alice.post(REVOKE, id=bob.device_id)
    none = await alice.post(REVOKE, id="dev_" + "0" * 32)

    assert theirs.content == none.content
    assert not await is_refused(bob)
    assert await database.fetchval("SELECT count(*) FROM devices WHERE revoked_at IS NULL") == 2
