"""Signing in and refreshing, as clients do it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from models.limits.limits import Limits
from models.postgresql.database import Database
from parley.settings import Settings
from tests.client import ApiClient, Json
from tests.make import REFUSAL, Person
from tests.serving import Server, serve
from tests.times import earlier
from tests.waiting import eventually

NUMBER = "+14155550199"

REQUEST_CODE = f"""mutation ($input: RequestCodeInput!) {{ requestCode(input: $input) {{ __typename
    ... on RequestCodePayload {{ expiresAt nextRequestAt requestSecret developmentCode }}
    {REFUSAL} }} }}"""
SESSION = f"""__typename ... on Session {{ accessToken accessTokenExpiresAt refreshToken isNewUser
    user {{ id name phoneNumber }} device {{ id name platform isCurrent }} }} {REFUSAL}"""
SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ {SESSION} }} }}"
REFRESH = f"mutation ($token: String!) {{ refreshSession(refreshToken: $token) {{ {SESSION} }} }}"
VIEWER = "{ viewer { name phoneNumber } }"


async def ask(client: ApiClient, number: str = NUMBER) -> Json:
    """Return a code for the number, and its request's secret, as `signIn` takes them."""
    answer = await client.mutate(REQUEST_CODE, input={"phoneNumber": number, "language": "pt-BR"})
    assert answer["__typename"] == "RequestCodePayload", answer
    return {"code": answer["developmentCode"], "requestSecret": answer["requestSecret"]}


async def enter(client: ApiClient, asked: Json, number: str = NUMBER, **more: Any) -> Json:
    device = {"name": "Phone", "platform": "ANDROID"}
    input = {"phoneNumber": number, "device": device} | asked | more
    session: Json = await client.mutate(SIGN_IN, input=input)
    return session


async def refresh(client: ApiClient, token: str) -> Json:
    session: Json = await client.mutate(REFRESH, token=token)
    return session


async def is_let_in(person: ApiClient, token: str) -> bool:
    return await ApiClient(person.server, token).errors(VIEWER) == []


BY = "$1 * interval '1 s'"


async def age_acceptance(database: Database, seconds: float) -> None:
    """As if what was accepted had been so this much earlier."""
    await database.execute(
        f"UPDATE devices SET generation_accepted_at = {earlier('generation_accepted_at', BY)},"
        f" earlier_accepted_at = ARRAY(SELECT {earlier('a', BY)}"
        " FROM unnest(earlier_accepted_at) a)",
        seconds,
    )


async def test_a_code_makes_an_account_and_the_next_one_finds_it(
    server: Server, other_server: Server
) -> None:
    nobody, elsewhere = ApiClient(server), ApiClient(other_server)

    first = await enter(elsewhere, await ask(nobody), name=" Ann ")
    second = await enter(nobody, await ask(elsewhere), name="Somebody else")

    assert (first["isNewUser"], second["isNewUser"]) == (True, False)
    assert first["user"] == second["user"] | {"phoneNumber": None}
    assert first["user"]["name"] == "Ann"
    assert first["device"] == {
        "id": first["device"]["id"],
        "name": "Phone",
        "platform": "ANDROID",
        "isCurrent": True,
    }
    assert second["device"]["id"] != first["device"]["id"]
    for session in (first, second):
        viewer = await ApiClient(server, session["accessToken"]).mutate(VIEWER)
        assert viewer == {"name": "Ann", "phoneNumber": NUMBER}


async def test_a_known_and_an_unknown_number_get_the_same_answer(
    alice: Person, server: Server
) -> None:
    nobody = ApiClient(server)

    known = await nobody.mutate(REQUEST_CODE, input={"phoneNumber": alice.number})
    unknown = await nobody.mutate(REQUEST_CODE, input={"phoneNumber": NUMBER})

    assert known.keys() == unknown.keys()
    assert known["__typename"] == unknown["__typename"] == "RequestCodePayload"


async def test_a_code_works_once(server: Server, other_server: Server, database: Database) -> None:
    asked = await ask(ApiClient(server))
    nodes = ApiClient(server), ApiClient(other_server)

    sessions = await asyncio.gather(*(enter(nodes[n % 2], asked) for n in range(10)))

    kinds = [session["__typename"] for session in sessions]
    assert sorted(kinds) == ["Refusal"] * 9 + ["Session"]
    codes = {session.get("code") for session in sessions}
    assert codes == {None, "CODE_EXPIRED"}
    assert await database.fetchval("SELECT count(*) FROM devices") == 1


async def test_five_wrong_codes_end_it_over_all_nodes(server: Server, other_server: Server) -> None:
    """Also as aliases of one document."""
    asked = await ask(ApiClient(server))
    secret, wrong = asked["requestSecret"], f"{(int(asked['code']) + 1) % 1_000_000:06}"
    guess = (
        f'signIn(input: {{phoneNumber: "{NUMBER}", code: "{wrong}", requestSecret: "{secret}", '
        'device: {name: "Phone", platform: WEB}}) { ... on Refusal { code } }'
    )
    aliases = "mutation {" + " ".join(f"g{n}: {guess}" for n in range(3)) + "}"

    answers = await asyncio.gather(
        *(ApiClient(node).query(aliases) for node in (server, other_server))
    )

    codes = [refusal["code"] for answer in answers for refusal in answer.values()]
    assert sorted(codes) == ["CODE_EXPIRED"] + ["CODE_WRONG"] * 5
    assert (await enter(ApiClient(server), asked))["code"] == "CODE_EXPIRED"


async def test_strangers_leave_places_for_the_networks_of_the_owner(
    server: Server, settings: Settings, database: Database
) -> None:
    """Under production's limits, from the addresses that a trusted proxy tells."""
    proxied = replace(settings, trusted_proxies=("127.0.0.1",), limits=Limits())

    async with serve(proxied) as node:

        async def post(address: str, document: str, **variables: Any) -> Json:
            answer = await node.http.post(
                node.url,
                json={"query": document, "variables": variables},
                headers={"x-forwarded-for": address},
            )
            (value,) = answer.json()["data"].values()
            assert isinstance(value, dict)
            return value

        async def sign_in(address: str) -> Json:
            asked = await post(address, REQUEST_CODE, input={"phoneNumber": NUMBER})
            if asked["__typename"] == "Refusal":
                return asked
            input = {
                "phoneNumber": NUMBER,
                "code": asked["developmentCode"],
                "requestSecret": asked["requestSecret"],
                "device": {"name": "Phone", "platform": "ANDROID"},
            }
            return await post(address, SIGN_IN, input=input)

        session = await sign_in("192.0.2.1")
        await post("2001:db8:1::1", REFRESH, token=session["refreshToken"])
        # Nobody waits for what a refresh writes besides.
        known = "SELECT count(*) = 2 FROM known_networks"
        await eventually(lambda: database.fetchval(known))
        for stranger in range(4):
            await post(f"203.0.{stranger}.1", REQUEST_CODE, input={"phoneNumber": NUMBER})

        assert (await sign_in("198.51.100.1"))["code"] == "RATE_LIMITED"
        # Another address of a network where they signed in, and one where they refreshed.
        assert (await sign_in("192.0.2.77"))["__typename"] == "Session"
        assert (await sign_in("2001:db8:1:99::1"))["__typename"] == "Session"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "12345"}, "code"),
        ({"code": "12345a"}, "code"),
        ({"code": "٠١٢٣٤٥"}, "code"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"device": {"name": " ", "platform": "WEB"}}, "device.name"),
        ({"device": {"name": "x" * 101, "platform": "WEB"}}, "device.name"),
    ],
    ids=str,
)
async def test_what_breaks_a_rule_costs_no_try(
    server: Server, database: Database, change: Json, field: str
) -> None:
    nobody = ApiClient(server)
    asked = await ask(nobody)

    refused = await enter(nobody, asked, **change)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)
    assert await database.fetchval("SELECT tries_left FROM sign_in_codes") == 5


@pytest.mark.parametrize(
    "number", ["", "4155550123", "+1", "+1 415 555 0123", "+14155550123\n", "+0123456789", "x" * 99]
)
async def test_what_is_no_number_is_an_error_with_a_code(server: Server, number: str) -> None:
    codes = await ApiClient(server).errors(REQUEST_CODE, input={"phoneNumber": number})

    assert codes == ["INVALID_INPUT"]


# -------------------------------------------------------------------- refresh


async def test_a_refresh_gives_a_new_pair(alice: Person, other_server: Server) -> None:
    nobody = ApiClient(other_server)

    session = await refresh(nobody, alice.refresh_token)

    assert session["refreshToken"] != alice.refresh_token
    assert session["user"]["name"] == "Alice"
    assert session["isNewUser"] is False
    assert session["device"]["id"] == alice.device_id
    assert await is_let_in(alice, session["accessToken"])
    again = await refresh(nobody, session["refreshToken"])
    assert await is_let_in(alice, again["accessToken"])


async def test_a_lost_answer_signs_nobody_out(alice: Person, database: Database) -> None:
    """The same token again, minutes later: the new pair was used nowhere."""
    lost = await refresh(alice, alice.refresh_token)
    before = earlier("refreshed_at", "interval '10 min'")
    await database.execute(f"UPDATE devices SET refreshed_at = {before}")

    again = await refresh(alice, alice.refresh_token)

    assert again["refreshToken"] == lost["refreshToken"]
    assert await is_let_in(alice, again["accessToken"])
    assert await is_let_in(alice, lost["accessToken"])


async def test_two_tabs_that_refresh_at_once_get_the_same(
    alice: Person, other_server: Server
) -> None:
    tabs = [ApiClient(alice.server), ApiClient(other_server)] * 4

    sessions = await asyncio.gather(*(refresh(tab, alice.refresh_token) for tab in tabs))

    assert len({session["refreshToken"] for session in sessions}) == 1
    for session in sessions:
        assert await is_let_in(alice, session["accessToken"])


async def test_the_old_token_has_ten_seconds_after_the_new_one_was_accepted(
    alice: Person, database: Database
) -> None:
    session = await refresh(alice, alice.refresh_token)
    assert await is_let_in(alice, session["accessToken"])
    await age_acceptance(database, 9)

    again = await refresh(alice, alice.refresh_token)

    assert again["refreshToken"] == session["refreshToken"]


@pytest.mark.parametrize("accepted_by", ["access", "refresh"])
async def test_the_old_token_ends_the_device_after_that(
    alice: Person, other_server: Server, database: Database, accepted_by: str
) -> None:
    """It is taken for stolen; both pairs are refused everywhere within 2 s."""
    session = await refresh(alice, alice.refresh_token)
    if accepted_by == "access":
        assert await is_let_in(alice, session["accessToken"])
    else:
        session = await refresh(alice, session["refreshToken"])
        assert await is_let_in(alice, session["accessToken"])
    await age_acceptance(database, 11)

    stolen = await refresh(ApiClient(other_server), alice.refresh_token)

    assert stolen["code"] == "SESSION_REVOKED"
    assert (await refresh(alice, session["refreshToken"]))["code"] == "SESSION_REVOKED"
    assert not await is_let_in(alice, session["accessToken"])
    assert await alice.errors(VIEWER) == ["UNAUTHENTICATED"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: "",
        lambda t: t.replace("prt_", "prt-"),
        lambda t: t[:70] + "9" + t[71:],
        lambda t: "x" * 300,
    ],
)
async def test_a_token_that_is_not_ours_touches_nothing(alice: Person, spoil: Any) -> None:
    refused = await refresh(alice, spoil(alice.refresh_token))

    assert refused["code"] == "SESSION_REVOKED"
    assert await is_let_in(alice, alice.token or "")
    assert (await refresh(alice, alice.refresh_token))["__typename"] == "Session"


async def test_an_access_token_is_no_refresh_token(alice: Person) -> None:
    assert (await refresh(alice, alice.token or ""))["code"] == "SESSION_REVOKED"


@pytest.mark.parametrize("header", ["Bearer expired", "Bearer", "Basic YTpi", "nonsense"])
async def test_signing_in_and_refreshing_look_at_no_access_token(
    alice: Person, header: str
) -> None:
    """An access token that has ended keeps nobody from renewing it."""
    document = {"query": REFRESH, "variables": {"token": alice.refresh_token}}

    answer = await alice.server.http.post(
        alice.server.url, json=document, headers={"authorization": header}
    )

    assert answer.status_code == 200
    assert answer.json()["data"]["refreshSession"]["__typename"] == "Session"
