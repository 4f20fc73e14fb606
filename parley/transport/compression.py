"""Compress answers for clients that say they can read it: br (Brotli) or gzip.

The qualities are those after which more costs much and saves little. Measured on a page of 50
messages, 13 kB: Brotli at 3 takes 55 us and leaves 30 %, at 5 it takes 180 us and leaves 30 %;
gzip at 3 takes 40 us and leaves 34 %.

An answer may hold what a stranger wrote beside what somebody else wrote. Who writes to a user,
makes their app ask again and again, and sees the lengths on the network, can try out guesses at the
other text (BREACH). No access token is at risk: each is answered once.
`PARLEY_COMPRESSED_BYTES=0` ends it.
"""

import asyncio
import zlib
from functools import lru_cache

import brotli

BROTLI_QUALITY = 3
GZIP_LEVEL = 3
# zlib's word for a gzip head and tail around the data.
_GZIP_WINDOW = 31
# More than this takes over a millisecond, and so is done beside the event loop.
IN_THREAD_BYTES = 64 * 1024

_ENCODINGS = (b"br", b"gzip")
# Browsers' headers have 30 bytes. What is longer costs to read, and would be kept.
MAX_HEADER_BYTES = 256


def choose_encoding(accept_encoding: bytes | None) -> bytes | None:
    """Return the encoding for a client with this `Accept-Encoding` header: the one it likes best,
    `br` of two that it likes equally, None where it takes neither, or the header is too long.
    """
    if not accept_encoding or len(accept_encoding) > MAX_HEADER_BYTES:
        return None
    return _choose_encoding(accept_encoding)


@lru_cache(maxsize=256)
def _choose_encoding(accept_encoding: bytes) -> bytes | None:
    liked: dict[bytes, float] = {}
    for part in accept_encoding.lower().split(b","):
        name, _, weight = part.partition(b";")
        liked[name.strip()] = _read_weight(weight)
    anything = liked.get(b"*", 0.0)
    best = max(_ENCODINGS, key=lambda encoding: liked.get(encoding, anything))
    return best if liked.get(best, anything) > 0 else None


async def compress(body: bytes, encoding: bytes) -> bytes:
    """Return the body in the encoding; large ones are compressed in a thread."""
    if len(body) > IN_THREAD_BYTES:
        return await asyncio.to_thread(_compress, body, encoding)
    return _compress(body, encoding)


def _compress(body: bytes, encoding: bytes) -> bytes:
    if encoding == b"br":
        packed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=BROTLI_QUALITY)
        return packed
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


def _read_weight(text: bytes) -> float:
    name, _, value = text.strip().partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
