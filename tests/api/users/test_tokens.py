"""Access tokens that are not good are refused everywhere: HTTP, websocket, server-sent events."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from models.close_codes import CloseCode
from models.tokens import AUDIENCE, ISSUER, Tokens, _derive
from tests.client import ApiClient, ending, open_socket
from tests.conftest import SECRET
from tests.make import Person
from tests.serving import Server

VIEWER = "{ viewer { name } }"
INBOX = "subscription { inbox { __typename } }"
KEY = _derive(SECRET, "access token")


def claims(person: Person, **changes: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    right = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": person.user.id,
        "dev": person.inner_device_id,
        "gen": 1,
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (right | changes).items() if value is not None}


def signed(
    person: Person, key: Any = KEY, algorithm: str = "HS256", headers: Any = None, **changes: Any
) -> str:
    return jwt.encode(claims(person, **changes), key, algorithm=algorithm, headers=headers)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_header(person: Person, header: Any) -> str:
    """Our own signature under another header."""
    _, body, signature = signed(person).split(".")
    return f"{part(header)}.{body}.{signature}"


PAST = -10
FORGED: dict[str, Callable[[Person], str]] = {
    "empty": lambda person: "",
    "no token": lambda person: "nonsense",
    "three parts": lambda person: "a.b.c",
    "alg none": lambda person: f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims(person))}.",
    "alg none, signed": lambda person: with_header(person, {"alg": "none", "typ": "JWT"}),
    "HS512": lambda person: signed(person, KEY * 2, "HS512"),
    "another key": lambda person: signed(person, b"k" * 32),
    "the secret itself": lambda person: signed(person, SECRET.encode()),
    "kid": lambda person: signed(person, headers={"kid": "../../dev/null"}),
    "jku": lambda person: signed(person, headers={"jku": "https://evil.example/keys"}),
    "another issuer": lambda person: signed(person, iss="evil"),
    "another audience": lambda person: signed(person, aud="other-api"),
    "audiences": lambda person: signed(person, aud=[AUDIENCE, "other-api"]),
    "no issuer": lambda person: signed(person, iss=None),
    "no audience": lambda person: signed(person, aud=None),
    "no exp": lambda person: signed(person, exp=None),
    "exp of text": lambda person: signed(person, exp="never"),
    "endless": lambda person: signed(person, exp=2**60),
    "ended": lambda person: signed(person, exp=int(datetime.now(UTC).timestamp()) + PAST),
    "no device": lambda person: signed(person, dev=None),
    "no generation": lambda person: signed(person, gen=None),
    "a later generation": lambda person: signed(person, gen=2),
    "an unknown device": lambda person: signed(person, dev="0" * 32),
    "an unknown user": lambda person: signed(person, sub="0" * 32),
    "injection": lambda person: signed(person, sub="' OR 1=1 --"),
    "cut": lambda person: signed(person)[:-1],
    "a claim changed": lambda person: signed(person).replace(".", f".{part({'x': 1})}.", 1),
    "not ASCII": lambda person: signed(person) + "é",
    "oversize": lambda person: signed(person, x="y" * 40_000),
    "a refresh token": lambda person: person.refresh_token,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_a_forged_token_lets_nobody_in(alice: Person, forge: Callable[[Person], str]) -> None:
    token = forge(alice)
    headers = {b"authorization": f"Bearer {token}".rstrip().encode()}
    inbox = {"query": INBOX}

    over_http = await alice.server.http.post(
        alice.server.url, json={"query": VIEWER}, headers=headers
    )
    async with asyncio.timeout(60):
        as_events = await alice.server.http.post(
            alice.server.url, json=inbox, headers={**headers, b"accept": b"text/event-stream"}
        )
    async with open_socket(alice.server) as socket:
        await socket.send(
            {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        )
        close_code = await socket.close_code()

    assert close_code == CloseCode.UNAUTHORIZED
    for answer in (over_http, as_events):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json() == {
            "errors": [
                {
                    "message": "This needs a valid access token.",
                    "extensions": {"code": "UNAUTHENTICATED"},
                }
            ]
        }


async def test_the_token_that_all_of_these_are_made_from_is_good(alice: Person) -> None:
    assert await ApiClient(alice.server, signed(alice)).mutate(VIEWER) == {"name": "Alice"}


async def test_anothers_user_with_ones_own_device_is_refused(alice: Person, bob: Person) -> None:
    forged = ApiClient(alice.server, signed(alice, sub=bob.user.id))

    assert await forged.errors(VIEWER) == ["UNAUTHENTICATED"]


async def test_no_token_at_all_is_refused(server: Server) -> None:
    nobody = ApiClient(server)

    assert (await nobody.post(VIEWER)).status_code == 401
    async with nobody.socket() as socket:
        for document in (VIEWER, INBOX):
            end = await ending(await socket.subscribe(document))
            assert end.codes == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
async def test_the_scheme_has_no_case(alice: Person, scheme: str) -> None:
    answer = await alice.server.http.post(
        alice.server.url,
        json={"query": VIEWER},
        headers={"authorization": f"{scheme} {alice.token}"},
    )

    assert answer.status_code == 200


async def test_a_token_ends_to_the_second(alice: Person, tokens: Tokens) -> None:
    """There is no leeway."""
    ago = timedelta(seconds=tokens.limits.access_token_ttl_s)
    now = datetime.now(UTC)
    ended, _ = tokens.make_access(alice.user.id, alice.inner_device_id, 1, now=now - ago)
    good, _ = tokens.make_access(
        alice.user.id, alice.inner_device_id, 1, now=now - ago + timedelta(seconds=30)
    )

    assert await ApiClient(alice.server, ended).errors(VIEWER) == ["UNAUTHENTICATED"]
    assert await ApiClient(alice.server, good).errors(VIEWER) == []


async def test_a_token_in_the_address_is_not_looked_at(alice: Person) -> None:
    url = (
        f"{alice.server.url}?query={VIEWER}&access_token={alice.token}&authorization={alice.token}"
    )

    assert (await alice.server.http.get(url)).status_code == 401
