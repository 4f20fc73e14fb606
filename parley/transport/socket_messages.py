"""The messages of graphql-transport-ws that a client sends, and why they close a socket."""

from collections.abc import MutableMapping
from typing import Any

import msgspec


class ClientMessage(msgspec.Struct):
    type: str
    id: str | None = None
    payload: Any = None


class Request(msgspec.Struct):
    """The payload of a `subscribe`."""

    query: str
    operationName: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class Close(Exception):
    """The socket is to close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


_decode = msgspec.json.Decoder(ClientMessage).decode


def parse_message(message: MutableMapping[str, Any]) -> ClientMessage:
    """
    Raises:
        Close: it is not one of the protocol's.
    """
    text = message.get("text")
    if text is None:
        raise Close(4400, "Binary messages are not part of the protocol")
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Close(4400, "Invalid message") from None


def parse_request(message: ClientMessage) -> tuple[str, Request]:
    """The operation's id, and what is asked.

    Raises:
        Close: the `subscribe` has no id, or its payload is no request.
    """
    if not message.id:
        raise Close(4400, "A subscribe message needs an id")
    try:
        return message.id, msgspec.convert(message.payload, Request)
    except msgspec.ValidationError:
        raise Close(4400, "Invalid subscribe payload") from None


def authorization_of(payload: Any) -> str | None:
    """The token in the payload of a `connection_init`, None when it has none.

    Raises:
        Close: the payload is no object.
    """
    if payload is None:
        return None
    if not isinstance(payload, dict):
        raise Close(4400, "Invalid connection_init payload")
    for name, value in payload.items():
        if isinstance(name, str) and name.lower() == "authorization":
            return value if isinstance(value, str) else "-"
    return None
