"""Sign-in, devices and people as clients ask for them, through the schema."""

from typing import Any, cast

import pytest
import strawberry
from strawberry.tools import merge_types

from models.committer import Committer
from models.database import Database
from models.limits import Limits
from models.sessions import Sessions
from models.tokens import Tokens
from models.viewer import Viewer
from resolvers.devices import DeviceMutations, DeviceQueries
from resolvers.people import PeopleMutations, PeopleQueries
from resolvers.sign_in import SignInMutations
from schema.context import Context, Resources
from schema.live import Live
from schema.scalars import make_schema_config
from tests.conftest import SECRET
from tests.storage.signing_in import ALICE, BOB, HOME, SmsRecorder

SCHEMA = strawberry.Schema(
    query=merge_types("Query", (PeopleQueries, DeviceQueries)),
    mutation=merge_types("Mutation", (SignInMutations, DeviceMutations, PeopleMutations)),
    config=make_schema_config(),
)
REFUSAL = "... on Refusal { code reason field retryAfterMs }"
REQUEST_CODE = f"""mutation ($input: RequestCodeInput!) {{ requestCode(input: $input) {{ __typename
    ... on RequestCodePayload {{ expiresAt nextRequestAt developmentCode }} {REFUSAL} }} }}"""
SESSION = f"""__typename ... on Session {{ accessToken accessTokenExpiresAt refreshToken isNewUser
    user {{ id name about phoneNumber }} device {{ id name platform isCurrent }} }} {REFUSAL}"""
SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ {SESSION} }} }}"
REFRESH = f"mutation ($t: String!) {{ refreshSession(refreshToken: $t) {{ {SESSION} }} }}"
REVOKED = f"{{ __typename ... on RevokeDevicePayload {{ deviceId }} {REFUSAL} }}"
UPDATE = f"""mutation ($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{
    __typename ... on UpdateProfilePayload {{ user {{ name about }} }} {REFUSAL} }} }}"""


class Client:
    """Runs operations as one process would, as the device whose access token it holds."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.access_token: str | None = None

    async def run(self, document: str, **variables: Any) -> dict[str, Any]:
        """The `data` of an operation without errors."""
        result = await self.result(document, **variables)
        assert result.errors is None, result.errors
        assert result.data is not None
        data: dict[str, Any] = result.data
        return data

    async def result(self, document: str, **variables: Any) -> Any:
        context = Context(resources=self.resources, viewer=await self.viewer(), client_address=HOME)
        return await SCHEMA.execute(document, variable_values=variables, context_value=context)

    async def viewer(self) -> Viewer | None:
        header = None if self.access_token is None else f"Bearer {self.access_token}"
        return await self.resources.sessions.authenticate(header)

    async def sign_in(self, number: str, **more: Any) -> dict[str, Any]:
        """A `Session`, whose access token is used from here on."""
        asked = (await self.run(REQUEST_CODE, input={"phoneNumber": number}))["requestCode"]
        given = {
            "phoneNumber": number,
            "code": asked["developmentCode"],
            "device": {"name": "Phone", "platform": "IOS"},
        }
        session: dict[str, Any] = (await self.run(SIGN_IN, input=given | more))["signIn"]
        self.access_token = session.get("accessToken")
        return session


def make_resources(
    database: Database, limits: Limits, secret: str, *, development: bool
) -> Resources:
    tokens = Tokens(secret, limits)
    return Resources(
        database=database,
        committer=cast(Committer, None),
        live=cast(Live, None),
        tokens=tokens,
        sessions=Sessions(database, tokens),
        sms=SmsRecorder(),
        limits=limits,
        development=development,
    )


@pytest.fixture
def client(database: Database) -> Client:
    limits = Limits(code_interval_s=0)
    return Client(make_resources(database, limits, SECRET, development=True))


@pytest.fixture
def other_client(client: Client) -> Client:
    return Client(client.resources)


async def test_code_is_shown_in_development_only(database: Database, client: Client) -> None:
    shown = (await client.run(REQUEST_CODE, input={"phoneNumber": ALICE, "language": "de"}))[
        "requestCode"
    ]
    assert len(shown["developmentCode"]) == 6

    client = Client(make_resources(database, Limits(code_interval_s=0), SECRET, development=False))
    hidden = (await client.run(REQUEST_CODE, input={"phoneNumber": BOB}))["requestCode"]

    assert hidden.keys() == shown.keys()
    assert hidden["developmentCode"] is None


@pytest.mark.parametrize("number", ["4155550101", "+1 415 555 0101", "+1", "", "+14155550101\x00"])
async def test_number_in_another_form_is_an_error(client: Client, number: str) -> None:
    result = await client.result(REQUEST_CODE, input={"phoneNumber": number})
    assert result.errors is not None


async def test_sign_in_answers_with_user_and_device(client: Client) -> None:
    session = await client.sign_in(ALICE, name="Alice")

    assert session["__typename"] == "Session"
    assert session["isNewUser"] is True
    assert session["user"]["id"].startswith("usr_")
    assert session["user"]["name"] == "Alice"
    assert session["device"]["id"].startswith("dev_")
    assert session["device"] | {"id": ""} == {
        "id": "",
        "name": "Phone",
        "platform": "IOS",
        "isCurrent": True,
    }
    viewer = await client.run("{ viewer { id name about phoneNumber } }")
    assert viewer["viewer"] == session["user"] | {"phoneNumber": ALICE}


async def test_refused_sign_in_is_data(client: Client) -> None:
    refused = await client.sign_in(ALICE, code="12")
    assert refused == {
        "__typename": "Refusal",
        "code": "INVALID_INPUT",
        "reason": "A code has 6 digits.",
        "field": "code",
        "retryAfterMs": None,
    }


async def test_refresh_needs_no_viewer(client: Client, other_client: Client) -> None:
    session = await client.sign_in(ALICE)

    refreshed = (await other_client.run(REFRESH, t=session["refreshToken"]))["refreshSession"]

    assert refreshed["isNewUser"] is False
    assert refreshed["device"] == session["device"]
    assert refreshed["refreshToken"] != session["refreshToken"]
    refused = (await other_client.run(REFRESH, t="\ud800"))["refreshSession"]
    assert refused["code"] == "SESSION_REVOKED"


async def test_sign_out_ends_this_device(client: Client) -> None:
    session = await client.sign_in(ALICE)

    ended = (await client.run(f"mutation {{ signOut {REVOKED} }}"))["signOut"]

    assert ended["deviceId"] == session["device"]["id"]
    with pytest.raises(Exception, match="access token"):
        await client.viewer()
    client.access_token = None
    refreshed = (await client.run(REFRESH, t=session["refreshToken"]))["refreshSession"]
    assert refreshed["code"] == "SESSION_REVOKED"


async def test_own_devices_can_be_listed_and_ended(client: Client, other_client: Client) -> None:
    laptop = await other_client.sign_in(ALICE, device={"name": "Laptop", "platform": "WEB"})
    phone = await client.sign_in(ALICE)
    document = "{ devices { __typename id name platform createdAt lastActiveAt isCurrent } }"
    devices = (await client.run(document))["devices"]
    assert [(d["name"], d["isCurrent"]) for d in devices] == [("Phone", True), ("Laptop", False)]
    revoke = f"mutation ($id: ID!) {{ revokeDevice(deviceId: $id) {REVOKED} }}"

    for unknown in ("dev_" + "0" * 32, phone["user"]["id"], "x", "\x00"):
        refused = (await client.run(revoke, id=unknown))["revokeDevice"]
        assert (refused["code"], refused["field"]) == ("NOT_FOUND", "deviceId")
    ended = (await client.run(revoke, id=laptop["device"]["id"]))["revokeDevice"]

    assert ended["deviceId"] == laptop["device"]["id"]
    assert [d["id"] for d in (await client.run(document))["devices"]] == [phone["device"]["id"]]


async def test_profile_keeps_what_is_absent_and_clears_what_is_null(client: Client) -> None:
    await client.sign_in(ALICE, name="Alice")

    async def updated(**changes: Any) -> Any:
        answer = (await client.run(UPDATE, input=changes))["updateProfile"]
        return answer.get("user") or (answer["code"], answer["field"])

    assert await updated(about="Hello") == {"name": "Alice", "about": "Hello"}
    assert await updated(name="Al") == {"name": "Al", "about": "Hello"}
    assert await updated() == {"name": "Al", "about": "Hello"}
    assert await updated(name=None) == ("INVALID_INPUT", "name")
    assert await updated(about=None) == {"name": "Al", "about": None}
    assert (await client.run("{ viewer { name about } }"))["viewer"] == {
        "name": "Al",
        "about": None,
    }


async def test_number_is_shown_to_who_knew_it(client: Client, other_client: Client) -> None:
    bob = await other_client.sign_in(BOB, name="Bob")
    await client.sign_in(ALICE)
    document = "query ($id: ID!) { user(id: $id) { __typename name phoneNumber } }"
    before = (await client.run(document, id=bob["user"]["id"]))["user"]
    assert before == {"__typename": "User", "name": "Bob", "phoneNumber": None}

    found = await client.run(
        "query ($n: [PhoneNumber!]!) { usersByPhone(phoneNumbers: $n) { name phoneNumber } }",
        n=["+14155559999", BOB, ALICE],
    )

    assert [user["phoneNumber"] for user in found["usersByPhone"]] == [BOB, ALICE]
    assert (await client.run(document, id=bob["user"]["id"]))["user"]["phoneNumber"] == BOB


@pytest.mark.parametrize("unknown", ["usr_" + "0" * 32, "usr_", "dev_" + "0" * 32, "", "\x00"])
async def test_unknown_user_is_null(client: Client, unknown: str) -> None:
    await client.sign_in(ALICE)
    assert await client.run("query ($id: ID!) { user(id: $id) { id } }", id=unknown) == {
        "user": None
    }


async def test_nothing_of_the_viewer_is_told_without_one(client: Client) -> None:
    for document in (
        "{ viewer { id } }",
        "{ devices { id } }",
        f'{{ user(id: "usr_{"0" * 32}") {{ id }} }}',
        f'{{ usersByPhone(phoneNumbers: ["{ALICE}"]) {{ id }} }}',
    ):
        assert (await client.result(document)).errors is not None
    for field in ("signOut", 'revokeDevice(deviceId: "x")'):
        answer = await client.run(f"mutation {{ answer: {field} {REVOKED} }}")
        assert answer["answer"]["code"] == "SESSION_REVOKED"
    assert (await client.run(UPDATE, input={}))["updateProfile"]["code"] == "SESSION_REVOKED"
