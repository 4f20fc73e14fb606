"""Which encoding a client gets, by its `Accept-Encoding` header."""

import zlib

import brotli
import pytest

from parley.transport.compression import IN_THREAD_BYTES, choose_encoding, compress


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, None),
        (b"", None),
        (b"identity", None),
        (b"gzip", b"gzip"),
        (b"br", b"br"),
        (b"gzip, deflate, br, zstd", b"br"),
        (b"GZIP;q=1.0, br;q=0.5", b"gzip"),
        (b"br;q=0, gzip", b"gzip"),
        (b"br;q=0, gzip;q=0", None),
        (b"*", b"br"),
        (b"*;q=0", None),
        (b"br;q=0, *", b"gzip"),
        (b"gzip;q=x", None),
    ],
)
def test_the_encoding_is_the_one_that_the_client_likes_best(
    accepted: bytes | None, chosen: bytes | None
) -> None:
    assert choose_encoding(accepted) == chosen


@pytest.mark.parametrize("size", [2_000, IN_THREAD_BYTES * 2])
async def test_what_is_compressed_can_be_read(size: int) -> None:
    body = b"message " * (size // 8)

    assert brotli.decompress(await compress(body, b"br")) == body
    assert zlib.decompress(await compress(body, b"gzip"), wbits=31) == body
