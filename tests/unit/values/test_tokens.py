"""Tokens: what is let in, and that nothing else is."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from models.ids import new_id
from models.limits.limits import Limits
from models.tokens import AccessClaims, RefreshClaims, Tokens, UnsubscribeClaims

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a secret of 32 characters or more"
USER, DEVICE = new_id(), new_id()
CLAIMS: dict[str, Any] = {
    "iss": "parley",
    "aud": "parley-api",
    "sub": USER,
    "dev": DEVICE,
    "gen": 3,
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 900,
}


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET, Limits())


def access_key() -> bytes:
    """Return the key as it is derived: a forger does not have it, a test of claims needs it."""
    return hmac.digest(SECRET.encode(), b"parley v1 access token", hashlib.sha256)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(claims: dict[str, Any], *, headers: dict[str, Any] | None = None) -> str:
    return jwt.encode(claims, access_key(), algorithm="HS256", headers=headers)


def test_access_token_says_who_it_is_for_and_until_when(tokens: Tokens) -> None:
    token, expires_at = tokens.make_access(USER, DEVICE, 3, now=NOW)

    assert expires_at == NOW + timedelta(seconds=900)
    assert tokens.read_access(token, now=NOW) == AccessClaims(USER, DEVICE, 3, expires_at)
    assert tokens.read_access(signed(CLAIMS), now=NOW) == AccessClaims(USER, DEVICE, 3, expires_at)


def test_access_token_ends_without_leeway(tokens: Tokens) -> None:
    token, expires_at = tokens.make_access(USER, DEVICE, 1, now=NOW)

    assert tokens.read_access(token, now=expires_at - timedelta(milliseconds=1)) is not None
    assert tokens.read_access(token, now=expires_at) is None


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_access_token_needs_every_claim(tokens: Tokens, claim: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim}
    assert tokens.read_access(signed(claims), now=NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"aud": ["parley-api", "another"]},
        {"sub": "usr_" + USER},
        {"sub": USER + "\n"},
        {"dev": 7},
        {"dev": DEVICE.upper()},
        {"gen": "3"},
        {"gen": True},
        {"gen": 3.0},
        {"exp": str(CLAIMS["exp"])},
        {"exp": CLAIMS["exp"] + 0.5},
        {"exp": 2**60},
        {"exp": -1},
        {"nbf": int(NOW.timestamp()) + 2**33},
    ],
)
def test_access_token_with_another_claim_is_refused(tokens: Tokens, change: dict[str, Any]) -> None:
    assert tokens.read_access(signed(CLAIMS | change), now=NOW) is None


def forge(header: dict[str, Any], key: bytes | None = None) -> str:
    body = f"{segment(header)}.{segment(CLAIMS)}"
    mac = b"" if key is None else hmac.digest(key, body.encode(), hashlib.sha256)
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


FORGERIES: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: forge({"alg": "none", "typ": "JWT"}),
    "no algorithm, oddly spelled": lambda: forge({"alg": "nOnE", "typ": "JWT"}),
    "no algorithm, signed": lambda: forge({"alg": "none", "typ": "JWT"}, access_key()),
    "another algorithm": lambda: jwt.encode(
        CLAIMS, access_key().ljust(64, b"x"), algorithm="HS512"
    ),
    "an algorithm that the header does not name": lambda: forge(
        {"alg": "HS384", "typ": "JWT"}, access_key()
    ),
    "an asymmetric algorithm": lambda: forge({"alg": "RS256", "typ": "JWT"}, access_key()),
    "an empty key": lambda: forge({"alg": "HS256", "typ": "JWT"}, b""),
    "the secret itself as the key": lambda: forge({"alg": "HS256", "typ": "JWT"}, SECRET.encode()),
    "another key": lambda: forge({"alg": "HS256", "typ": "JWT"}, b"k" * 32),
    "a key that the header names": lambda: signed(CLAIMS, headers={"kid": "../../dev/null"}),
    "a key that the header links to": lambda: signed(
        CLAIMS, headers={"jku": "https://example.org/"}
    ),
    "a key that the header holds": lambda: signed(
        CLAIMS, headers={"jwk": {"kty": "oct", "k": "AA"}}
    ),
    "a critical extension": lambda: signed(CLAIMS, headers={"crit": ["exp"]}),
    "no signature": lambda: signed(CLAIMS).rpartition(".")[0] + ".",
    "two segments": lambda: signed(CLAIMS).rpartition(".")[0],
    "four segments": lambda: signed(CLAIMS) + ".AAAA",
    "a changed claim": lambda: ".".join(
        [
            signed(CLAIMS).split(".")[0],
            segment(CLAIMS | {"sub": new_id()}),
            signed(CLAIMS).split(".")[2],
        ]
    ),
    "claims that are no object": lambda: jwt.api_jws.PyJWS().encode(b"[]", access_key(), "HS256"),
    "claims that are no JSON": lambda: jwt.api_jws.PyJWS().encode(b"\xff", access_key(), "HS256"),
    "a refresh token": lambda: Tokens(SECRET, Limits()).make_refresh(USER, DEVICE, 3),
    "100,000 characters": lambda: signed(CLAIMS | {"x": "x" * 100_000}),
    "not ASCII": lambda: signed(CLAIMS) + "é",
    "a lone surrogate": lambda: signed(CLAIMS) + "\ud800",
    "nothing": lambda: "",
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_access_token_that_is_forged_is_refused(tokens: Tokens, kind: str) -> None:
    assert tokens.read_access(FORGERIES[kind](), now=NOW) is None


def test_refresh_token_is_the_same_each_time_and_another_for_each_generation(
    tokens: Tokens,
) -> None:
    token = tokens.make_refresh(USER, DEVICE, 3)

    assert token == Tokens(SECRET, Limits()).make_refresh(USER, DEVICE, 3)
    assert token != tokens.make_refresh(USER, DEVICE, 4)
    assert token.startswith(f"prt_{USER}{DEVICE}_3_")
    assert tokens.read_refresh(token) == RefreshClaims(USER, DEVICE, 3)


def test_refresh_token_that_is_changed_or_forged_is_refused(tokens: Tokens) -> None:
    good = tokens.make_refresh(USER, DEVICE, 3)
    access, _ = tokens.make_access(USER, DEVICE, 3, now=NOW)
    last = "A" if good[-1] != "A" else "B"

    for bad in (
        good.replace("_3_", "_4_"),
        good.replace("_3_", "_03_"),
        good.replace(USER, new_id()),
        good.replace(DEVICE, new_id()),
        good[:-1] + last,
        good[:-1],
        good + "=",
        good + "\n",
        good.upper(),
        "x" * 100_000,
        "",
        "\ud800",
        access,
        Tokens("another secret of 32 characters..", Limits()).make_refresh(USER, DEVICE, 3),
    ):
        assert tokens.read_refresh(bad) is None


@pytest.mark.parametrize(
    "other",
    [
        (2, "+14155550101", "its secret", "012345"),
        (1, "+14155550102", "its secret", "012345"),
        (1, "+14155550101", "another secret", "012345"),
        (1, "+14155550101", "its secret", "012346"),
    ],
)
def test_code_matches_only_what_it_was_made_for(
    tokens: Tokens, other: tuple[int, str, str, str]
) -> None:
    code_hash = tokens.hash_code(1, "+14155550101", "its secret", "012345")

    assert tokens.code_matches(code_hash, 1, "+14155550101", "its secret", "012345")
    assert not tokens.code_matches(code_hash, *other)
    elsewhere = Tokens("another secret of 32 characters..", Limits())
    assert not elsewhere.code_matches(code_hash, 1, "+14155550101", "its secret", "012345")


# -------------------------------------------------------------------- a secret that is changed

STOPPED = UnsubscribeClaims(USER, bytes(32), refuse=False)
MAIL_CODE = USER, "b@m.example", b"n"
OLD, NEW = "the old secret of 32 characters....", "the new secret of 32 characters...."


def test_what_the_secret_before_made_is_still_taken() -> None:
    before, now = Tokens(OLD, Limits()), Tokens(NEW, Limits(), previous_secret=OLD)
    access, _ = before.make_access(USER, DEVICE, 3, now=NOW)
    code_hash = before.hash_code(1, "+14155550101", "secret", "012345")

    assert now.read_access(access, now=NOW) == before.read_access(access, now=NOW)
    assert now.read_refresh(before.make_refresh(USER, DEVICE, 3)) == RefreshClaims(USER, DEVICE, 3)
    assert now.code_matches(code_hash, 1, "+14155550101", "secret", "012345")
    assert not now.code_matches(code_hash, 1, "+14155550101", "secret", "012346")
    assert before.digest_network(USER, "192.0.2.0") in now.digests_of_network(USER, "192.0.2.0")
    link = before.make_unsubscribe(STOPPED)
    assert now.read_unsubscribe(link) == STOPPED
    assert now.is_mail_code(*MAIL_CODE, before.make_mail_code(*MAIL_CODE))


def test_nothing_new_is_made_with_the_secret_before() -> None:
    now, after = Tokens(NEW, Limits(), previous_secret=OLD), Tokens(NEW, Limits())
    access, _ = now.make_access(USER, DEVICE, 3, now=NOW)
    code_hash = now.hash_code(1, "+14155550101", "secret", "012345")

    assert after.read_access(access, now=NOW) is not None
    assert now.make_refresh(USER, DEVICE, 3) == after.make_refresh(USER, DEVICE, 3)
    assert after.code_matches(code_hash, 1, "+14155550101", "secret", "012345")
    assert now.digest_network(USER, "192.0.2.0") == after.digest_network(USER, "192.0.2.0")
    assert now.make_unsubscribe(STOPPED) == after.make_unsubscribe(STOPPED)
    assert now.make_mail_code(*MAIL_CODE) == after.make_mail_code(*MAIL_CODE)


def test_a_secret_that_is_gone_is_taken_no_more() -> None:
    before, after = Tokens(OLD, Limits()), Tokens(NEW, Limits())
    access, _ = before.make_access(USER, DEVICE, 3, now=NOW)

    assert after.read_access(access, now=NOW) is None
    assert after.read_refresh(before.make_refresh(USER, DEVICE, 3)) is None
    assert after.read_unsubscribe(before.make_unsubscribe(STOPPED)) is None
