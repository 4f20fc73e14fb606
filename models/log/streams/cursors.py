"""Cursors of the inbox: how far a stream has got in every channel, in one opaque text.

A cursor holds all of a stream's positions and is bound to its user and device by a MAC, so nothing
has to be stored where it is made. A channel takes five bytes of its id and one to five of its seq:
1,000 channels are about 10 kB of text. Two of a user's channels that begin with the same five bytes
are told apart by nothing, so neither can be resumed (`is_unclear`), and their client is told.
"""

import base64
import binascii
import itertools
import struct
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from models.tokens import CURSOR_MAC_BYTES, Tokens

# Of a channel's id, which is random or a hash. A million pairs of channels share them by a chance
# of one in a million.
SHORT_ID_BYTES = 5
# The first byte of what is packed; another format has another one.
_FORMAT = 1
_MADE_AT = struct.Struct(">I")
# A number is written in pieces of seven bits, the lowest first; the eighth says that more follow.
_PIECE_BITS = 7
_MORE = 1 << _PIECE_BITS


class StreamPositions:
    """How far a stream has got, by channel.

    Where the user had left a channel after its position, the position says so (`ended`).
    """

    def __init__(self, values: dict[bytes, int] | None = None) -> None:
        # By short id: twice the seq, and one more where the membership ended there.
        self._values = {} if values is None else values

    @classmethod
    def of(cls, positions: Mapping[str, int], left: Collection[str] = ()) -> "StreamPositions":
        """Return these seqs by channel id; of the channels in `left` the membership has ended.
        What is at 0 is left out: there is nothing to resume.
        """
        return cls(
            {
                _short(channel_id): seq * 2 + (channel_id in left)
                for channel_id, seq in positions.items()
                if seq
            }
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "StreamPositions":
        """Return what `pack` made.

        Raises:
            ValueError: it is of another format.
        """
        if packed[:1] != bytes([_FORMAT]):
            raise ValueError("These positions are of a format that this version does not know.")
        values: dict[bytes, int] = {}
        at, end = 1, len(packed)
        while at < end:
            short_id = packed[at : at + SHORT_ID_BYTES]
            at += SHORT_ID_BYTES
            value = shift = 0
            while (piece := packed[at]) >= _MORE:
                value |= (piece - _MORE) << shift
                shift += _PIECE_BITS
                at += 1
            values[short_id] = value | piece << shift
            at += 1
        return cls(values)

    def pack(self) -> bytes:
        packed = bytearray([_FORMAT])
        for short_id, value in self._values.items():
            packed += short_id
            while value >= _MORE:
                packed.append(value % _MORE + _MORE)
                value >>= _PIECE_BITS
            packed.append(value)
        return bytes(packed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamPositions) and self._values == other._values

    def __len__(self) -> int:
        return len(self._values)

    def find(self, channel_id: str) -> int | None:
        """Return the seq in the channel; None for a channel that was not known to the stream."""
        value = self._values.get(_short(channel_id))
        return None if value is None else value // 2

    def ended(self, channel_id: str) -> bool:
        """Return whether the entry at the position took the user out of the channel."""
        return self._values.get(_short(channel_id), 0) % 2 == 1

    def merge(self, other: "StreamPositions") -> "StreamPositions":
        """Return the later position of each channel."""
        merged = dict(self._values)
        for short_id, value in other._values.items():
            if value > merged.get(short_id, 0):
                merged[short_id] = value
        return StreamPositions(merged)

    def since(self, other: "StreamPositions") -> "StreamPositions":
        """Return the positions that are later than those of the other."""
        return StreamPositions(
            {
                short_id: value
                for short_id, value in self._values.items()
                if value > other._values.get(short_id, 0)
            }
        )

    def resolve(self, channel_ids: Iterable[str]) -> dict[str, int]:
        """Return the seqs by whole id, of those channels that are clear."""
        return {
            channel_id: self._values[short_id] // 2
            for short_id, of_it in _by_short(channel_ids).items()
            if len(of_it) == 1 and short_id in self._values
            for channel_id in of_it
        }


def find_unclear(channel_ids: Iterable[str]) -> set[str]:
    """Return those of a user's channels that no cursor tells apart."""
    return {
        channel_id
        for of_it in _by_short(channel_ids).values()
        if len(of_it) > 1
        for channel_id in of_it
    }


def _short(channel_id: str) -> bytes:
    return bytes.fromhex(channel_id[: 2 * SHORT_ID_BYTES])


def _by_short(channel_ids: Iterable[str]) -> dict[bytes, list[str]]:
    ordered = sorted(channel_ids)
    return {short_id: list(of_it) for short_id, of_it in itertools.groupby(ordered, key=_short)}


class Cursor(msgspec.Struct, frozen=True):
    """What a cursor says."""

    positions: StreamPositions
    made_at: datetime


class Cursors:
    """Makes and reads cursors."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def make(
        self, user_id: str, device_id: str, positions: StreamPositions, *, now: datetime
    ) -> str:
        body = _MADE_AT.pack(int(now.timestamp())) + positions.pack()
        mac = self._tokens.mac_of_cursor(user_id, device_id, body)
        return base64.urlsafe_b64encode(mac + body).rstrip(b"=").decode()

    def read(self, text: str, user_id: str, device_id: str) -> Cursor | None:
        """Return what the cursor says; None if it was not made for this user and device."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, body = sealed[:CURSOR_MAC_BYTES], sealed[CURSOR_MAC_BYTES:]
        if not self._tokens.is_mac_of_cursor(user_id, device_id, body, mac):
            return None
        (made_at,) = _MADE_AT.unpack_from(body)
        positions = StreamPositions.unpack(body[_MADE_AT.size :])
        return Cursor(positions, datetime.fromtimestamp(made_at, UTC))


class StreamPlace:
    """Where one stream is: what its cursor is made of, when it is asked for."""

    def __init__(
        self,
        cursors: Cursors,
        user_id: str,
        device_id: str,
        positions: Mapping[str, int],
        left: Collection[str],
        *,
        at: datetime,
    ) -> None:
        self._cursors = cursors
        self._user_id = user_id
        self._device_id = device_id
        # Copies: the stream goes on.
        self._positions = dict(positions)
        self._left = frozenset(left)
        self._at = at

    def cursor(self) -> str:
        positions = StreamPositions.of(self._positions, self._left)
        return self._cursors.make(self._user_id, self._device_id, positions, now=self._at)
