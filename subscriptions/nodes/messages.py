"""Messages between nodes: a byte for the version, a byte for the kind, then msgpack.

Nodes of two revisions may run side by side. A field that the reader does not know is left out; an
item that it cannot read is skipped, and the others of its message are not. What was skipped is
listed: the reader counts it, and repairs from PostgreSQL.

Where a reader would take what is written for something else, a new version is added to `FORMATS`.
A node's lease says which version it reads at most, and it is written to in none that is newer. A
version goes away when no running revision reads it as its newest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from models.log.entries import Batch
from models.log.signals import Signalled

_BEAT = b"."
_BATCHES = b"B"
_SIGNALS = b"S"

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


class Format(msgspec.Struct, frozen=True):
    """Hold how one version writes and reads what follows the first two bytes."""

    write_batches: Callable[[Sequence[Batch]], bytes]
    write_signals: Callable[[Sequence[Signalled]], bytes]
    read_batches: Callable[[bytes], tuple[list[Batch], list[Exception]]]
    read_signals: Callable[[bytes], tuple[list[Signalled], list[Exception]]]


class Formats:
    """Write and read the versions that one node knows."""

    def __init__(self, by_version: Mapping[int, Format]) -> None:
        # Versions are below the letters, with which messages without a version began.
        self._by_version = by_version
        self.newest = max(by_version)

    def write_beat(self) -> bytes:
        """Return what a node tells itself."""
        return bytes([self.newest]) + _BEAT

    def write_batches(self, batches: Sequence[Batch], *, reads: int) -> bytes:
        """Write for a node whose newest version is `reads`."""
        version = self._version_for(reads)
        return bytes([version]) + _BATCHES + self._by_version[version].write_batches(batches)

    def write_signals(self, signals: Sequence[Signalled], *, reads: int) -> bytes:
        """Write for a node whose newest version is `reads`."""
        version = self._version_for(reads)
        return bytes([version]) + _SIGNALS + self._by_version[version].write_signals(signals)

    def _version_for(self, reads: int) -> int:
        """Return the newest version that both know; the oldest where there is none, which the
        reader cannot read, and therefore repairs.
        """
        known = [version for version in self._by_version if version <= reads]
        return max(known) if known else min(self._by_version)

    def read(self, message: bytes) -> Received:
        """Read a message. Never raises."""
        kind, content = message[1:2], message[2:]
        form = self._by_version.get(message[0]) if message else None
        if form is None:
            return Received(skipped=[UnknownVersion()])
        if kind == _BEAT:
            return Received(beat=True)
        if kind == _BATCHES:
            batches, skipped = form.read_batches(content)
            return Received(batches=batches, skipped=skipped)
        if kind == _SIGNALS:
            signals, skipped = form.read_signals(content)
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


FIRST = Format(
    write_batches=_encode,
    write_signals=_encode,
    read_batches=lambda content: _read(content, _decode_batches, _decode_batch),
    read_signals=lambda content: _read(content, _decode_signals, _decode_signal),
)
FORMATS = Formats({1: FIRST})
NEWEST = FORMATS.newest
