"""Requests to /graphql: what one asks, or why that cannot be read; GraphQL over HTTP, JSON only.

Nothing here can fail but with a `BadRequest`: bodies from outside are bounded, and so is their JSON
(`strict_json`).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from parley.engine.errors import INVALID_INPUT
from parley.transport.document_ids import BadDocumentId, read_document_id
from parley.transport.strict_json import BadJson, Json, find_nul, parse_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]

GRAPHQL_JSON = b"application/graphql-response+json"
PLAIN_JSON = b"application/json"
EVENT_STREAM = b"text/event-stream"

# How long, and how much, of a body that is too large is still taken, to be dropped.
DISCARD_WITHIN_S = 1
DISCARD_BYTES = 64 * 1024 * 1024

_CLOSE = ((b"connection", b"close"),)

# A header that is read into its parts may be so long. Browsers' have 200 bytes; one of 300 kB held
# the event loop for 80 ms, and was kept with its meaning.
MAX_HEADER_BYTES = 2048

_TOO_LARGE = "TOO_LARGE"
_PARAMETERS = 16


class BadRequest(Exception):
    """The request is not executed. `reason` is a full sentence for a developer."""

    def __init__(
        self,
        status: int,
        reason: str,
        code: str = INVALID_INPUT,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.code = code
        self.headers = headers


@dataclass(slots=True)
class GraphQLRequest:
    """The parameters of one operation."""

    # The document's text, its hash or id, or both: one of them is there.
    query: str | None
    document_id: str | None
    operation_name: str | None
    variables: dict[str, Any] | None
    # Where among the variables a text holds a NUL, which PostgreSQL cannot store.
    bad_variable: str | None = None


@dataclass(slots=True, frozen=True)
class Acceptable:
    """What the client takes: which JSON, if any, and whether a stream of events."""

    json: bytes | None
    stream: bool


def read_accept(accept: bytes | None) -> Acceptable:
    """Return what an `Accept` header takes; of two JSON types liked equally, the richer.

    Raises:
        BadRequest: 431.
    """
    if accept is None:
        return Acceptable(PLAIN_JSON, stream=False)
    _require_short("Accept", accept)
    return _read_accept(accept)


def _require_short(name: str, value: bytes) -> None:
    if len(value) > MAX_HEADER_BYTES:
        reason = f"The header {name} may have {MAX_HEADER_BYTES} bytes at most."
        raise BadRequest(431, reason, _TOO_LARGE)


@lru_cache(maxsize=256)
def _read_accept(accept: bytes) -> Acceptable:
    likings = [_read_media_range(part) for part in accept.lower().split(b",")]
    liked: dict[bytes, float] = {}
    for name, liking in likings:
        liked[name] = max(liking, liked.get(name, 0.0))
    anything = max(liked.get(b"*/*", 0.0), liked.get(b"application/*", 0.0))
    plain = liked.get(PLAIN_JSON, anything)
    telling = liked.get(GRAPHQL_JSON, 0.0)
    json = GRAPHQL_JSON if telling > 0 and telling >= plain else PLAIN_JSON if plain > 0 else None
    return Acceptable(json, stream=liked.get(EVENT_STREAM, 0.0) > 0)


def _read_media_range(part: bytes) -> tuple[bytes, float]:
    name, *parameters = (each.strip() for each in part.split(b";"))
    for parameter in parameters:
        if parameter.startswith(b"q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def authorization_header(headers: Headers) -> str | None:
    """Return the `Authorization` header's value, None where there is none."""
    value = headers.get(b"authorization")
    return None if value is None else value.decode("latin-1")


def require_json_content(headers: Headers) -> None:
    """Check that the body is declared as JSON.

    Raises:
        BadRequest: 415, or 431.
    """
    content_type = headers.get(b"content-type", b"")
    _require_short("Content-Type", content_type)
    if not _is_json(content_type):
        raise BadRequest(415, "The body must be application/json, in UTF-8.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise BadRequest(415, "The body must not be compressed.")


@lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    name, *parameters = (each.strip() for each in content_type.lower().split(b";"))
    charset = next(
        (each[8:].strip(b'"') for each in parameters if each.startswith(b"charset=")), b"utf-8"
    )
    return name == PLAIN_JSON and charset in (b"utf-8", b"utf8")


async def read_body(receive: Receive, headers: Headers, max_bytes: int, within_s: float) -> bytes:
    """Read the request's body.

    Raises:
        BadRequest: it is too large, or does not come.
    """
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 12 or int(length) > max_bytes:
        # Whoever asks first whether to send it is not told to.
        if b"expect" not in headers:
            await _discard(receive)
        raise _too_large(max_bytes)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        return body
    try:
        async with asyncio.timeout(within_s):
            return await _read_rest(message, receive, max_bytes)
    except TimeoutError:
        raise BadRequest(408, "The body did not come.", headers=_CLOSE) from None


async def _read_rest(message: Message, receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise BadRequest(400, "The body broke off.")
        body += message.get("body", b"")
        if len(body) > max_bytes:
            if message.get("more_body"):
                await _discard(receive)
            raise _too_large(max_bytes)
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()


async def _discard(receive: Receive) -> None:
    """Drop what a client still sends, for a while: if the connection closed before it is done, it
    would most often lose the answer with it.
    """
    dropped = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_WITHIN_S):
            while dropped < DISCARD_BYTES:
                message = await receive()
                dropped += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _too_large(max_bytes: int) -> BadRequest:
    return BadRequest(413, f"A body may have {max_bytes} bytes at most.", _TOO_LARGE, _CLOSE)


def parse_body(body: bytes) -> GraphQLRequest:
    """Read a GraphQL request from the body of a POST.

    Raises:
        BadRequest: it is not a JSON object with the parameters of GraphQL over HTTP.
    """
    parameters, may_hold_nul = _parse_json(body, "The body")
    if isinstance(parameters, list):
        raise BadRequest(400, "Send one operation a request: batches are not taken.")
    if not isinstance(parameters, dict):
        raise BadRequest(400, "The body must be a JSON object.")
    return _check(parameters, may_hold_nul=may_hold_nul)


def parse_query_string(query_string: bytes, max_bytes: int) -> GraphQLRequest:
    """Read a GraphQL request from the query string of a GET.

    Raises:
        BadRequest: the parameters are not those of GraphQL over HTTP.
    """
    if len(query_string) > max_bytes:
        raise BadRequest(414, f"A query string may have {max_bytes} bytes at most.", _TOO_LARGE)
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_PARAMETERS,
        )
    except ValueError:
        raise BadRequest(400, "The query string cannot be read.") from None
    parameters: dict[str, Any] = dict(pairs)
    if len(parameters) != len(pairs):
        raise BadRequest(400, "A parameter is given more than once.")
    may_hold_nul = False
    for name in ("extensions", "variables"):
        if name in parameters:
            parameters[name], may_hold_nul = _parse_json(
                parameters[name].encode(), f"The parameter {name}"
            )
    return _check(parameters, may_hold_nul=may_hold_nul)


def _parse_json(text: bytes, what: str) -> Json:
    try:
        return parse_json(text)
    except BadJson as bad:
        raise BadRequest(400, f"{what} {bad}") from None


def _check(parameters: dict[str, Any], *, may_hold_nul: bool) -> GraphQLRequest:
    query = parameters.get("query")
    operation_name = parameters.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest(400, "The parameter operationName must be a string.")
    for name in ("variables", "extensions"):
        if not isinstance(parameters.get(name), dict | None):
            raise BadRequest(400, f"The parameter {name} must be an object.")
    document_id = _read_document_id(parameters)
    if not isinstance(query, str | None) or not (query or document_id):
        raise BadRequest(400, "The parameter query must be the text of a document.")
    variables = parameters.get("variables")
    bad_variable = find_nul(variables) if variables and may_hold_nul else None
    return GraphQLRequest(query or None, document_id, operation_name, variables, bad_variable)


def _read_document_id(parameters: dict[str, Any]) -> str | None:
    try:
        return read_document_id(parameters.get("extensions"), parameters.get("documentId"))
    except BadDocumentId as bad:
        raise BadRequest(400, str(bad)) from None
