"""Where a device is pushed to, and how: set, changed, moved, and gone with the device."""

import base64
from typing import Any

import pytest

from models.postgresql.database import Database
from tests.client import Json
from tests.make import REFUSAL, AnotherDevice, Person

DEVICE = """device { id pushEndpoint pushSettings { preview mentionsWhenMuted
    quietHours { from until timeZone } } }"""
SET_ENDPOINT = f"""mutation ($input: PushEndpointInput) {{ setPushEndpoint(input: $input) {{
    __typename ... on SetPushEndpointPayload {{ {DEVICE} }} {REFUSAL} }} }}"""
SET_SETTINGS = f"""mutation ($input: PushSettingsInput!) {{ setPushSettings(input: $input) {{
    __typename ... on SetPushSettingsPayload {{ {DEVICE} }} {REFUSAL} }} }}"""
ENDPOINTS = "{ devices { id pushEndpoint } }"
SIGN_OUT = "mutation { signOut { __typename } }"
INBOX = "subscription { inbox { __typename ... on ViewerUpdated { viewer { id } } } }"

TOKEN = "0a" * 32
KEY = base64.urlsafe_b64encode(b"\x04" + bytes(64)).decode().rstrip("=")
AUTH = base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")
URL = "https://push.example/send/1"
APNS = {"apns": {"token": TOKEN, "topic": "chat.example.app"}}
FCM = {"fcm": {"token": "abc:DEF_123-4"}}
WEB_PUSH = {"webPush": {"endpoint": URL, "p256dh": KEY, "auth": AUTH}}
EMAIL = {"email": {"address": "bob@mail.example"}}


def web_push(**changes: str) -> Json:
    return {"webPush": WEB_PUSH["webPush"] | changes}


async def kinds(person: Person) -> dict[str, str | None]:
    return {each["id"]: each["pushEndpoint"] for each in await person.mutate(ENDPOINTS)}


async def rows(database: Database, *tables: str) -> list[int]:
    return [await database.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [(APNS, "APNS"), (FCM, "FCM"), (WEB_PUSH, "WEB_PUSH"), (EMAIL, "EMAIL")],
)
async def test_a_device_has_the_endpoint_that_it_set_last(
    endpoint: Json, kind: str, bob_pushed: Person
) -> None:
    await bob_pushed.mutate(SET_ENDPOINT, input=FCM)

    answer = await bob_pushed.mutate(SET_ENDPOINT, input=endpoint)

    assert answer["device"]["pushEndpoint"] == kind
    assert await kinds(bob_pushed) == {bob_pushed.device_id: kind}


async def test_null_forgets_the_endpoint(bob_pushed: Person, database: Database) -> None:
    await bob_pushed.mutate(SET_ENDPOINT, input=APNS)

    answer = await bob_pushed.mutate(SET_ENDPOINT, input=None)

    assert answer["device"]["pushEndpoint"] is None
    assert await rows(database, "push_endpoints", "push_addresses") == [0, 0]


async def test_a_phone_number_must_be_ones_own(bob_pushed: Person) -> None:
    refused = await bob_pushed.mutate(SET_ENDPOINT, input={"sms": {"phoneNumber": "+14155559999"}})
    own = await bob_pushed.mutate(SET_ENDPOINT, input={"sms": {"phoneNumber": bob_pushed.number}})

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "sms.phoneNumber")
    assert own["device"]["pushEndpoint"] == "SMS"


@pytest.mark.parametrize(
    ("endpoint", "field"),
    [
        ({"apns": {"token": "g" * 64, "topic": "a.b"}}, "apns.token"),
        ({"apns": {"token": "a" * 63, "topic": "a.b"}}, "apns.token"),
        ({"apns": {"token": "a" * 201, "topic": "a.b"}}, "apns.token"),
        ({"apns": {"token": TOKEN, "topic": "a b"}}, "apns.topic"),
        ({"fcm": {"token": ""}}, "fcm.token"),
        ({"fcm": {"token": "a" * 4097}}, "fcm.token"),
        ({"fcm": {"token": "a\nb"}}, "fcm.token"),
        (web_push(p256dh=AUTH), "webPush.p256dh"),
        (web_push(auth=AUTH + "AA"), "webPush.auth"),
        (web_push(auth="!"), "webPush.auth"),
        (web_push(endpoint="http://push.example/"), "webPush.endpoint"),
        (web_push(endpoint="https://127.0.0.1/"), "webPush.endpoint"),
        (web_push(endpoint="https://localhost/"), "webPush.endpoint"),
        (web_push(endpoint="https://2130706433/"), "webPush.endpoint"),
        (web_push(endpoint="https://[::ffff:10.0.0.1]/"), "webPush.endpoint"),
        (web_push(endpoint="https://push.example:8443/"), "webPush.endpoint"),
        (web_push(endpoint="https://a@push.example/"), "webPush.endpoint"),
        (web_push(endpoint=URL + "a" * 2048), "webPush.endpoint"),
        ({"email": {"address": "bob"}}, "email.address"),
        ({"email": {"address": "bob@mail"}}, "email.address"),
        ({"email": {"address": "bob@mail.example\r\nBcc: a@b.example"}}, "email.address"),
        ({"email": {"address": "a" * 65 + "@mail.example"}}, "email.address"),
    ],
)
async def test_what_cannot_be_an_address_is_refused(
    endpoint: Json, field: str, bob_pushed: Person, database: Database
) -> None:
    refused = await bob_pushed.mutate(SET_ENDPOINT, input=endpoint)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)
    assert await rows(database, "push_endpoints") == [0]


@pytest.mark.parametrize("endpoint", [{}, APNS | FCM, {"apns": None}])
async def test_exactly_one_endpoint_is_asked_for(endpoint: Any, bob_pushed: Person) -> None:
    answer = (await bob_pushed.post(SET_ENDPOINT, input=endpoint)).json()

    assert answer["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_a_kind_that_is_not_configured_is_refused(bob: Person) -> None:
    refused = await bob.mutate(SET_ENDPOINT, input=APNS)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "apns")
    assert "not configured" in refused["reason"]
    assert await bob.mutate("{ webPushKey }") is None


async def test_browsers_find_the_key_of_web_push(bob_pushed: Person) -> None:
    """The public key of the private key 1 is the curve's generator."""
    key = base64.urlsafe_b64decode(await bob_pushed.mutate("{ webPushKey }") + "=")

    assert key.hex().startswith("046b17d1f2e12c4247f8bce6e563a440f277037d81")
    assert len(key) == 65


@pytest.mark.parametrize("endpoint", [APNS, FCM, WEB_PUSH])
async def test_a_token_is_of_the_device_that_set_it_last(
    endpoint: Json, bob_pushed: Person, carol: Person, database: Database
) -> None:
    carol = carol.at(bob_pushed.server)
    await bob_pushed.mutate(SET_ENDPOINT, input=endpoint)

    await carol.mutate(SET_ENDPOINT, input=endpoint)

    assert list((await kinds(bob_pushed)).values()) == [None]
    assert None not in (await kinds(carol)).values()
    assert await rows(database, "push_endpoints", "push_addresses") == [1, 1]


async def test_all_of_push_ends_with_the_device(
    bob_pushed: Person, alice: Person, another_device: AnotherDevice, database: Database
) -> None:
    await another_device(bob_pushed)
    await bob_pushed.mutate(SET_ENDPOINT, input=APNS)
    await bob_pushed.mutate(SET_SETTINGS, input={"preview": "SENDER"})
    await alice.say(await alice.open_chat(bob_pushed), "Hello?")
    tables = ("push_endpoints", "push_addresses", "push_settings", "push_states")

    await bob_pushed.mutate(SIGN_OUT)

    assert await rows(database, *tables) == [0, 0, 0, 0]


async def test_settings_begin_with_all_and_change_one_by_one(bob_pushed: Person) -> None:
    quiet = {"from": "22:00", "until": "07:30", "timeZone": "Europe/Berlin"}
    settings = {"preview": "MESSAGE", "mentionsWhenMuted": True, "quietHours": None}
    steps: list[Json] = [
        {},
        {"preview": "SENDER"},
        {"mentionsWhenMuted": False},
        {"quietHours": quiet},
        {"preview": "NOTHING"},
        {"quietHours": None},
    ]
    for step in steps:
        settings |= step
        answer = await bob_pushed.mutate(SET_SETTINGS, input=step)
        assert answer["device"]["pushSettings"] == settings


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from": "24:00"}, "quietHours.from"),
        ({"until": "7:00"}, "quietHours.until"),
        ({"until": "22:00"}, "quietHours.until"),
        ({"timeZone": "Mars/Olympus"}, "quietHours.timeZone"),
        ({"timeZone": "../../etc/passwd"}, "quietHours.timeZone"),
        ({"timeZone": "localtime"}, "quietHours.timeZone"),
    ],
)
async def test_quiet_hours_that_are_none_are_refused(
    changes: Json, field: str, bob_pushed: Person
) -> None:
    quiet = {"from": "22:00", "until": "07:00", "timeZone": "Europe/Berlin"} | changes

    refused = await bob_pushed.mutate(SET_SETTINGS, input={"quietHours": quiet})

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)


async def test_own_devices_hear_of_it(bob_pushed: Person, another_device: AnotherDevice) -> None:
    tablet = (await another_device(bob_pushed)).at(bob_pushed.server)
    async with tablet.follow(INBOX) as inbox:
        await inbox.event()

        await bob_pushed.mutate(SET_ENDPOINT, input=APNS)

        assert (await inbox.event())["__typename"] == "ViewerUpdated"
