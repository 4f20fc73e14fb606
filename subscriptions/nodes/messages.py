"""Messages between nodes: a byte for the version, a byte for the kind, then msgpack.

Nodes of two revisions may run side by side. A field that the reader does not know is left out; an
item that it cannot read is skipped, and the others of its message are not. What was skipped is
listed: the reader counts it, and repairs from PostgreSQL. Change `VERSION` when a reader of the
version before would take what is written for something else.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from models.log.entries import Batch
from models.log.signals import Signalled

# Below the letters, with which messages without a version began.
VERSION = b"\x01"
_BEAT = b"."
_BATCHES = b"B"
_SIGNALS = b"S"

BEAT = VERSION + _BEAT

_encode = msgspec.msgpack.Encoder().encode
_decode_batches = msgspec.msgpack.Decoder(list[Batch]).decode
_decode_batch = msgspec.msgpack.Decoder(Batch).decode
_decode_signals = msgspec.msgpack.Decoder(list[Signalled]).decode
_decode_signal = msgspec.msgpack.Decoder(Signalled).decode
_decode_items = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode

Item = TypeVar("Item")


class UnknownVersion(Exception):
    """The message is of a version that this reader does not know, or of none."""


class UnknownKind(Exception):
    """The message is of a kind that this reader does not know."""


class Received(msgspec.Struct):
    """Hold what could be read of a message; `skipped` has an error for each item that could not."""

    beat: bool = False
    batches: list[Batch] = []
    signals: list[Signalled] = []
    skipped: list[Exception] = []


def encode_batches(batches: Sequence[Batch]) -> bytes:
    return VERSION + _BATCHES + _encode(batches)


def encode_signals(signals: Sequence[Signalled]) -> bytes:
    return VERSION + _SIGNALS + _encode(signals)


def decode(message: bytes) -> Received:
    """Read a message. Never raises."""
    version, kind, content = message[:1], message[1:2], message[2:]
    if version != VERSION:
        return Received(skipped=[UnknownVersion()])
    if kind == _BEAT:
        return Received(beat=True)
    if kind == _BATCHES:
        batches, skipped = _read(content, _decode_batches, _decode_batch)
        return Received(batches=batches, skipped=skipped)
    if kind == _SIGNALS:
        signals, skipped = _read(content, _decode_signals, _decode_signal)
        return Received(signals=signals, skipped=skipped)
    return Received(skipped=[UnknownKind()])


def _read(
    content: bytes, decode_all: Callable[[bytes], list[Item]], decode_one: Callable[[bytes], Item]
) -> tuple[list[Item], list[Exception]]:
    """Read all items at once, and each by itself only where that fails."""
    try:
        return decode_all(content), []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        whole = error
    try:
        pieces = _decode_items(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [], [whole]
    items: list[Item] = []
    skipped: list[Exception] = []
    for piece in pieces:
        try:
            items.append(decode_one(piece))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            skipped.append(error)
    return items, skipped
