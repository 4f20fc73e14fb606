"""The messages of graphql-transport-ws that a client sends, and why they close a socket."""

from collections.abc import MutableMapping
from typing import Any

import msgspec

from models.close_codes import CloseCode
from parley.transport.document_ids import BadDocumentId, read_document_id
from parley.transport.strict_json import BadJson, find_nul, parse_json


class ClientMessage(msgspec.Struct):
    type: str
    id: str | None = None
    payload: Any = None
    # Found here, whatever a client says of it: a text may hold a NUL.
    may_hold_nul: bool = False


class SubscribePayload(msgspec.Struct):
    """The payload of a `subscribe`."""

    query: str | None = None
    documentId: str | None = None
    operationName: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    # Found here, whatever a client says of it: the place of a text with a NUL.
    bad_variable: Any = None
    # Read from what is above: the hash or id of the document.
    document_id: Any = None


class Close(Exception):
    """The socket is to close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def parse_message(message: MutableMapping[str, Any]) -> ClientMessage:
    """Parse a message of a client.

    Raises:
        Close: it is not one of the protocol's.
    """
    text = message.get("text")
    if text is None:
        raise Close(CloseCode.BAD_REQUEST, "Binary messages are not part of the protocol")
    try:
        value, may_hold_nul = parse_json(text.encode())
        parsed = msgspec.convert(value, ClientMessage)
    except (BadJson, UnicodeEncodeError, msgspec.ValidationError):
        raise Close(CloseCode.BAD_REQUEST, "Invalid message") from None
    parsed.may_hold_nul = may_hold_nul
    return parsed


def parse_request(message: ClientMessage) -> tuple[str, SubscribePayload]:
    """Return the operation's id, and what is asked.

    Raises:
        Close: the `subscribe` has no id, or its payload is no request.
    """
    operation_id = require_id(message)
    try:
        request = msgspec.convert(message.payload, SubscribePayload)
        request.document_id = read_document_id(request.extensions, request.documentId)
    except (msgspec.ValidationError, BadDocumentId):
        raise Close(CloseCode.BAD_REQUEST, "Invalid subscribe payload") from None
    if request.query is None and request.document_id is None:
        raise Close(CloseCode.BAD_REQUEST, "Invalid subscribe payload")
    looks = message.may_hold_nul and request.variables
    request.bad_variable = find_nul(request.variables or {}) if looks else None
    return operation_id, request


def require_id(message: ClientMessage) -> str:
    """Return the id of the operation that a message is about.

    Raises:
        Close: it has none.
    """
    if not message.id:
        raise Close(CloseCode.BAD_REQUEST, f"A {message.type} message needs an id")
    return message.id


def require_object(message: ClientMessage) -> dict[str, Any] | None:
    """Return the payload of a ping or pong, None when it has none.

    Raises:
        Close: it is no object.
    """
    if not isinstance(message.payload, dict | None):
        raise Close(CloseCode.BAD_REQUEST, f"Invalid {message.type} payload")
    return message.payload


def authorization_of(payload: Any) -> str | None:
    """Return the token in the payload of a `connection_init`, None when it has none.

    Raises:
        Close: the payload is no object.
    """
    if payload is None:
        return None
    if not isinstance(payload, dict):
        raise Close(CloseCode.BAD_REQUEST, "Invalid connection_init payload")
    for name, value in payload.items():
        if isinstance(name, str) and name.lower() == "authorization":
            return value if isinstance(value, str) else "-"
    return None
