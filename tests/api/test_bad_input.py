"""Bad input anywhere is a Refusal or an error with a code: never a 5xx, never masked, nothing
stored.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from models.close_codes import CloseCode
from models.postgresql.database import Database
from parley.ports import LOOPBACK
from tests.client import Ended, Json, codes_of
from tests.make import ACKNOWLEDGE, OPEN_CHAT, REFUSAL, SEND, Person

UNKNOWN = "0" * 32

OURS = {"INVALID_INPUT", "NOT_FOUND", "SESSION_REVOKED", "GRAPHQL_VALIDATION_FAILED"}

# A way to put some text in a place: the document, and the variables with it.
Place = tuple[str, Callable[[Any, str], dict[str, Any]]]


def sends(change: Callable[[str], dict[str, Any]]) -> Place:
    return SEND, lambda chat, text: {
        "input": {"channelId": chat, "clientMessageId": "1", "text": "Hello"} | change(text)
    }


SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ __typename {REFUSAL} }} }}"
UPDATE = f"""mutation ($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{ __typename
    {REFUSAL} }} }}"""
REQUEST_CODE = f"""mutation ($input: RequestCodeInput!) {{ requestCode(input: $input) {{ __typename
    {REFUSAL} }} }}"""
REFRESH = (
    f"mutation ($t: String!) {{ refreshSession(refreshToken: $t) {{ __typename {REFUSAL} }} }}"
)
REVOKE = f"mutation ($id: ID!) {{ revokeDevice(deviceId: $id) {{ __typename {REFUSAL} }} }}"
MESSAGES = """query ($id: ID!, $after: String, $before: String) { channel(id: $id) {
    messages(after: $after, before: $before) { nodes { seq } } } }"""
BY_PHONE = "query ($n: [PhoneNumber!]!) { usersByPhone(phoneNumbers: $n) { id } }"


def sign_in(change: Callable[[str], dict[str, Any]]) -> Place:
    device = {"name": "Phone", "platform": "WEB"}
    right = {
        "phoneNumber": "+14155550199",
        "code": "123456",
        "requestSecret": "x",
        "device": device,
    }
    return SIGN_IN, lambda chat, text: {"input": right | change(text)}


PLACES: dict[str, Place] = {
    "text": sends(lambda text: {"text": text}),
    "clientMessageId": sends(lambda text: {"clientMessageId": text}),
    "channelId": sends(lambda text: {"channelId": text}),
    "replyToId": sends(lambda text: {"replyToId": text}),
    "mentions": sends(lambda text: {"mentions": [text]}),
    "label": sends(lambda text: {"location": {"latitude": 0.0, "longitude": 0.0, "label": text}}),
    "acknowledged": (
        ACKNOWLEDGE,
        lambda chat, text: {"input": {"read": [{"channelId": text, "seq": 1}]}},
    ),
    "userId": (OPEN_CHAT, lambda chat, text: {"userId": text}),
    "name": (UPDATE, lambda chat, text: {"input": {"name": text}}),
    "about": (UPDATE, lambda chat, text: {"input": {"about": text}}),
    "phoneNumber": (REQUEST_CODE, lambda chat, text: {"input": {"phoneNumber": text}}),
    "language": (
        REQUEST_CODE,
        lambda chat, text: {"input": {"phoneNumber": "+14155550199", "language": text}},
    ),
    "requestSecret": sign_in(lambda text: {"requestSecret": text}),
    "code": sign_in(lambda text: {"code": text}),
    "device name": sign_in(lambda text: {"device": {"name": text, "platform": "WEB"}}),
    "new name": sign_in(lambda text: {"name": text}),
    "refreshToken": (REFRESH, lambda chat, text: {"t": text}),
    "deviceId": (REVOKE, lambda chat, text: {"id": text}),
    "after": (MESSAGES, lambda chat, text: {"id": chat, "after": text}),
    "before": (MESSAGES, lambda chat, text: {"id": chat, "before": text}),
    "node": ("query ($id: ID!) { node(id: $id) { id } }", lambda chat, text: {"id": text}),
    "nodes": ("query ($id: ID!) { nodes(ids: [$id]) { id } }", lambda chat, text: {"id": text}),
    "user": ("query ($id: ID!) { user(id: $id) { id } }", lambda chat, text: {"id": text}),
    "channel": ("query ($id: ID!) { channel(id: $id) { id } }", lambda chat, text: {"id": text}),
    "phoneNumbers": (BY_PHONE, lambda chat, text: {"n": [text]}),
}
UNSTORABLE = ["\x00", "a\x00b", "\ud800", "a\udfffb", "\udc00\ud800"]


async def post(person: Person, body: bytes, **headers: str) -> httpx2.Response:
    return await person.server.http.post(
        person.server.url,
        content=body,
        headers={**person.headers, "content-type": "application/json"} | headers,
    )


def codes(response: httpx2.Response) -> set[str]:
    """Every code that the answer says no with."""
    assert response.status_code < 500, response.text
    return said_no(response.json())


def said_no(answer: Json) -> set[str]:
    found = set(codes_of(answer.get("errors", [])))
    for value in (answer.get("data") or {}).values():
        if isinstance(value, dict) and value.get("__typename") == "Refusal":
            found.add(value["code"])
    return found


async def over_socket(person: Person, body: dict[str, Any]) -> set[str]:
    """Every code that a socket says no with; INVALID_INPUT when it closes with 4400."""
    async with person.socket() as socket:
        await socket.send({"id": "1", "type": "subscribe", "payload": body})
        try:
            message = await socket.receive()
        except Ended as ended:
            bad_request = ended.ending.close_code == CloseCode.BAD_REQUEST
            return {"INVALID_INPUT"} if bad_request else {"closed"}
    payload = message["payload"]
    return said_no({"errors": payload} if message["type"] == "error" else payload) or {"nothing"}


@pytest.mark.parametrize("text", UNSTORABLE, ids=ascii)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
async def test_text_that_cannot_be_stored_is_refused_everywhere(
    alice: Person, chat: str, database: Database, place: Place, text: str
) -> None:
    """NUL and lone surrogates: in a variable, and over a socket."""
    document, variables_of = place
    body = {"query": document, "variables": variables_of(chat, text)}

    response = await post(alice, json.dumps(body).encode())

    assert codes(response)
    assert codes(response) <= OURS
    assert await over_socket(alice, body) <= OURS
    assert await database.fetchval("SELECT count(*) FROM messages") == 0
    assert await database.fetchval("SELECT name FROM users WHERE id = $1", alice.user.id) == "Alice"


@pytest.mark.parametrize("escape", ["\\u0000", "\\u{0}", "\\ud800", "\\u{d800}", "\x00"])
async def test_nor_can_it_be_written_in_a_document(alice: Person, chat: str, escape: str) -> None:
    document = f"""mutation {{ sendMessage(input: {{ channelId: "{chat}", clientMessageId: "1",
        text: "a{escape}b" }}) {{ __typename {REFUSAL} }} }}"""

    codes = await alice.errors(document)

    assert codes in (["INVALID_INPUT"], ["GRAPHQL_PARSE_FAILED"])


IDS = ["usr_", "chn_", "msg_", "mbr_", "dev_", "med_", "xyz_", ""]


@pytest.mark.parametrize(
    "place", ["channelId", "replyToId", "userId", "deviceId", "mentions", "after"]
)
async def test_ids_of_another_type_are_refused(
    alice: Person, chat: str, database: Database, place: str
) -> None:
    document, variables_of = PLACES[place]
    strange = [prefix + UNKNOWN for prefix in IDS] + [f"msg_{UNKNOWN}_1", "0", "-1", "null"]

    for text in strange:
        response = await alice.post(document, **variables_of(chat, text))
        assert codes(response), text
        assert codes(response) <= OURS
    assert await database.fetchval("SELECT count(*) FROM messages") == 0


WRONG_TYPES: list[dict[str, Any]] = [
    {"input": None},
    {"input": 5},
    {"input": []},
    {"input": {}},
    {"input": {"channelId": None, "clientMessageId": "1"}},
    {"input": {"channelId": ["x"], "clientMessageId": "1"}},
    {"input": {"channelId": {}, "clientMessageId": "1"}},
    {"input": {"channelId": "x", "clientMessageId": "1", "text": 5}},
    {"input": {"channelId": "x", "clientMessageId": "1", "unknown": 5}},
    {"input": {"channelId": "x", "clientMessageId": 1.5, "text": "x"}},
    {"input": {"channelId": "x", "clientMessageId": True, "text": "x"}},
    {"input": {"channelId": "x", "clientMessageId": "1", "location": {"latitude": "0"}}},
    {"input": {"channelId": "x", "clientMessageId": "1", "mentions": [None]}},
    {},
    {"unknown": 1},
]


@pytest.mark.parametrize("variables", WRONG_TYPES, ids=str)
async def test_variables_of_the_wrong_type_are_errors_with_a_code(
    alice: Person, variables: dict[str, Any]
) -> None:
    assert set(await alice.errors(SEND, **variables)) == {"INVALID_INPUT"}


@pytest.mark.parametrize("seq", [2**31, -(2**31) - 1, 10**400, 1.5, "1", True])
async def test_an_int_is_an_int(alice: Person, chat: str, seq: Any) -> None:
    """Also one of 400 digits."""
    body = {
        "query": ACKNOWLEDGE,
        "variables": {"input": {"read": [{"channelId": chat, "seq": seq}]}},
    }

    response = await post(alice, json.dumps(body).encode())

    assert response.status_code in (200, 400)
    assert codes(response) == {"INVALID_INPUT"}


BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "no JSON": (b"query { viewer { id } }", 400),
    "null": (b"null", 400),
    "a number": (b"5", 400),
    "no query": (b"{}", 400),
    "a query of null": (b'{"query": null}', 400),
    "a query of a number": (b'{"query": 5}', 400),
    "an empty query": (b'{"query": ""}', 400),
    "variables of a list": (b'{"query": "{ viewer { id } }", "variables": []}', 400),
    "variables of text": (b'{"query": "{ viewer { id } }", "variables": "{}"}', 400),
    "a name of a number": (b'{"query": "{ viewer { id } }", "operationName": 5}', 400),
    "extensions of a list": (b'{"query": "{ viewer { id } }", "extensions": []}', 400),
    "not UTF-8": (b'{"query": "\xff"}', 400),
    "a lone surrogate": (b'{"query": "\\ud800"}', 400),
    "a NUL": (b'{"query": "{ viewer { id } }\x00"}', 400),
    "NaN": (b'{"query": "{ viewer { id } }", "variables": {"x": NaN}}', 400),
    "infinity": (b'{"query": "{ viewer { id } }", "variables": {"x": 1e999}}', 400),
    "a name twice": (b'{"query": "{ viewer { id } }", "query": "{ limits { pageSize } }"}', 400),
    "200,000 levels": (b'{"query": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 413),
    "2,000 levels": (b'{"variables": ' + b"[" * 2000 + b"]" * 2000 + b"}", 400),
    "5,000 digits": (
        b'{"query": "{ viewer { id } }", "variables": {"x": ' + b"9" * 5000 + b"}}",
        400,
    ),
    "too large": (b'{"query": "' + b"x" * 256 * 1024 + b'"}', 413),
}


@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
async def test_a_body_that_cannot_be_read_is_refused(
    alice: Person, body: bytes, status: int
) -> None:
    response = await post(alice, body)

    assert response.status_code == status
    code = "TOO_LARGE" if status == 413 else "INVALID_INPUT"
    assert codes(response) == {code}


async def test_a_body_without_a_length_is_bounded_too(alice: Person) -> None:
    """Neither its end is waited for, nor is the rest of it read."""
    reader, writer = await asyncio.open_connection(LOOPBACK, alice.server.port)
    writer.write(
        f"POST /graphql HTTP/1.1\r\nhost: {alice.server.host}\r\n"
        "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )
    for _ in range(17):
        writer.write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")

    answer = await asyncio.wait_for(reader.read(), 60)

    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert codes_of(json.loads(body)["errors"]) == ["TOO_LARGE"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/graphql"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-encoding": "gzip"},
    ],
    ids=str,
)
async def test_only_plain_json_is_read(alice: Person, headers: dict[str, str]) -> None:
    """What a page may post without asking first is none; nor is what inflates."""
    response = await post(alice, b'{"query": "{ viewer { id } }"}', **headers)

    assert response.status_code == 415
    assert codes(response) == {"INVALID_INPUT"}


DOCUMENTS = {
    "{": "GRAPHQL_PARSE_FAILED",
    "}": "GRAPHQL_PARSE_FAILED",
    "hello": "GRAPHQL_PARSE_FAILED",
    "{ viewer { id }": "GRAPHQL_PARSE_FAILED",
    "fragment F on User { id }": "GRAPHQL_VALIDATION_FAILED",
    "{ nothing }": "GRAPHQL_VALIDATION_FAILED",
    "{ viewer { nothing } }": "GRAPHQL_VALIDATION_FAILED",
    "{ viewer }": "GRAPHQL_VALIDATION_FAILED",
    "{ viewer { ...F } }": "GRAPHQL_VALIDATION_FAILED",
    "{ viewer { ...F } } fragment F on User { ...F }": "GRAPHQL_VALIDATION_FAILED",
    "query A { viewer { id } } query B { viewer { id } }": "GRAPHQL_VALIDATION_FAILED",
    "query ($x: Nothing) { viewer { id } }": "GRAPHQL_VALIDATION_FAILED",
    "query ($x: Int) { viewer { id } }": "GRAPHQL_VALIDATION_FAILED",
    "{ node(id: {}) { id } }": "GRAPHQL_VALIDATION_FAILED",
    "{ channels(kind: NOTHING) { nodes { id } } }": "GRAPHQL_VALIDATION_FAILED",
    "mutation { setTyping }": "GRAPHQL_VALIDATION_FAILED",
    "subscription { inbox { at } again: inbox { at } }": "GRAPHQL_VALIDATION_FAILED",
}


@pytest.mark.parametrize(("document", "code"), DOCUMENTS.items(), ids=list(DOCUMENTS))
async def test_a_document_that_is_not_right_says_so(
    alice: Person, document: str, code: str
) -> None:
    response = await alice.post(document)

    assert response.status_code == 200
    assert "data" not in response.json()
    assert set(codes_of(response.json()["errors"])) == {code}
