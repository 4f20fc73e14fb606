"""Files that mean harm, for tests of media: too large, of two types at once, or with scripts."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from PIL import Image

from tests.media.files import CANARY, SCRIPT, Size, encoded, quarters, telling_exif

# ------------------------------------------------------------------ PNG, chunk by chunk

# What moves goes through these.
SHADES = (0, 100, 200)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(size: Size, *more: bytes, depth: int = 8, body: bytes = b"") -> bytes:
    """Grey. `more` chunks come before the pixels, `body` instead of them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, 0, 0, 0, 0))
    pixels = body or chunk(b"IDAT", zlib.compress(_rows(size, depth), 9))
    return PNG_SIGNATURE + header + b"".join(more) + pixels + chunk(b"IEND", b"")


def _rows(size: Size, depth: int) -> bytes:
    return bytes((1 + -(-size[0] * depth // 8)) * size[1])


def large_png(side: int = 13_000) -> bytes:
    """169 megapixels in 30 kB."""
    return png((side, side), depth=1)


def long_apng(frames: int = 10_000, size: Size = (64, 64)) -> bytes:
    """Three frames over and over."""
    parts = [chunk(b"acTL", struct.pack(">II", frames, 0))]
    rows = [zlib.compress(bytes([0, *[shade] * size[0]]) * size[1]) for shade in SHADES]
    for at in range(frames):
        control = struct.pack(">IIIIIHHBB", max(0, 2 * at - 1), *size, 0, 0, 1, 50, 0, 0)
        parts.append(chunk(b"fcTL", control))
        if at == 0:
            parts.append(chunk(b"IDAT", rows[0]))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", 2 * at) + rows[at % 3]))
    return png(size, body=b"".join(parts))


def long_gif(frames: int = 10_000, size: Size = (64, 64)) -> bytes:
    """Three frames over and over."""
    films = [encoded(Image.new("L", size, shade), "GIF") for shade in SHADES]
    head = films[0][: 13 + 3 * 2 ** ((films[0][10] & 7) + 1)]
    return head + b"".join(map(_gif_frame, films)) * (frames // 3) + b"\x3b"


def _gif_frame(film: bytes) -> bytes:
    """Return the one that a GIF has, with the colours of the film as its own."""
    colours = 13 + 3 * 2 ** ((film[10] & 7) + 1)
    at = film.index(b"\x2c", colours)
    control = b"\x21\xf9\x04\x00\x05\x00\x00\x00"
    own = bytes([0x80 | film[10] & 7]) + film[13:colours]
    return control + film[at : at + 9] + own + film[at + 10 : -1]


def zipped_text_png(bytes_inside: int = 200_000_000) -> bytes:
    text = zlib.compress(bytes(bytes_inside), 9)
    return png((8, 8), chunk(b"zTXt", b"Comment\0\0" + text))


def zipped_profile_png(bytes_inside: int = 200_000_000) -> bytes:
    return png((8, 8), chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(bytes_inside), 9)))


def wordy_png(text_bytes: int = 30_000_000) -> bytes:
    return png((8, 8), chunk(b"tEXt", b"Comment\0" + CANARY.encode() * (text_bytes // 11)))


def heavy_profile_jpeg() -> bytes:
    """As much profile as a JPEG can have: 16 MB."""
    return encoded(quarters(), icc_profile=(CANARY.encode() * 1_500_000)[: 255 * 65_519])


def heavy_exif_png() -> bytes:
    return png(
        (8, 8), chunk(b"eXIf", b"MM\0*\0\0\0\x08" + b"\xff\xff" + b"\x01\x0f\0\2" * 5_000_000)
    )


def slow_wav(hz: int, samples: int = 10_000) -> bytes:
    """Noise of so many samples a second, of a byte each."""
    form = struct.pack("<HHIIHH", 1, 1, hz, hz, 1, 8)
    sound = bytes(at * at % 251 for at in range(samples))
    inside = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", samples)
    return b"RIFF" + struct.pack("<I", len(inside) + samples) + inside + sound


def far_apart(path: Path, seconds: int) -> Path:
    """Return a recording of two moments with so long between them, in WebM."""
    with av.open(path, "w", format="webm") as made:
        stream = made.add_stream("libopus", rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        for at_s in (0, seconds):
            frame = AudioFrame("s16", "mono", 960)
            frame.planes[0].update(bytes(1920))
            frame.sample_rate, frame.pts = 48_000, at_s * 48_000
            frame.time_base = Fraction(1, 48_000)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return path


# ------------------------------------------------------------------ more than one thing at once


def jpeg_and_html() -> bytes:
    picture = encoded(quarters(), comment=SCRIPT, exif=telling_exif())
    return picture + b"<html>" + SCRIPT + b"</html>"


def gif_and_jar() -> bytes:
    file = encoded(quarters(), "GIF", comment=SCRIPT)
    return file + b"PK\x03\x04" + SCRIPT + b"PK\x05\x06" + bytes(18)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>"
HTML = b"<!doctype html><html><body>" + SCRIPT + b"</body></html>"


def playlist(*addresses: str) -> bytes:
    entries = "".join(f"#EXTINF:10,\n{address}\n" for address in addresses)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n{entries}#EXT-X-ENDLIST\n".encode()


def concat_list(*addresses: str) -> bytes:
    entries = "".join(f"file '{address}'\n" for address in addresses)
    return f"ffconcat version 1.0\n{entries}".encode()


def dash_list(address: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT10S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{address}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def box(name: bytes, *content: bytes) -> bytes:
    """Of an MP4."""
    joined = b"".join(content)
    return struct.pack(">I", len(joined) + 8) + name + joined
