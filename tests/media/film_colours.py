"""Films of four colours whose bytes come from the equations of the standards, and what those say
that such a film is to look like: nothing here is shared with what is tested, nor FFmpeg's.

R'G'B' is from 0 to 1 where it comes in, and of 8 bits where it is looked at.
"""

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import msgspec
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from tests.media.hostile_files import chunk

Triple = tuple[float, float, float]

SIZE = (64, 64)
FRAMES = 16
# Of the middles of the quarters, from the upper left on.
PLACES = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
# The share of red and of blue in what a matrix calls light (BT.709, 470, 601, 240M, 2020).
SHARES = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


class Source(msgspec.Struct, frozen=True):
    """How a film says its colours, by the numbers of H.273; 2 says nothing."""

    name: str
    matrix: int
    primaries: int
    transfer: int
    full_range: bool = False
    bits: int = 8
    # What it means, where it says nothing.
    means: int = 0
    size: tuple[int, int] = SIZE
    # The matrix and transfer that it gets, where not its own.
    gets: int = 0
    # Colours that only its wider primaries have.
    vivid: bool = False

    @property
    def meant(self) -> int:
        return self.means or self.matrix


GREEN, RED, SKIN, WHITE = (28, 198, 44), (210, 40, 45), (200, 150, 120), (235, 235, 235)
USUAL: tuple[Triple, ...] = tuple(
    (r / 255, g / 255, b / 255) for r, g, b in (GREEN, RED, SKIN, WHITE)
)
# In PQ: white of 203 cd/m2, grey of 40, a skin, and a lamp.
IN_PQ: tuple[Triple, ...] = (
    (0.5807, 0.5807, 0.5807),
    (0.4100, 0.4100, 0.4100),
    (0.5000, 0.4400, 0.4000),
    (0.6800, 0.6300, 0.5600),
)
# In HLG: white, grey, a skin, and a lamp.
IN_HLG: tuple[Triple, ...] = (
    (0.75, 0.75, 0.75),
    (0.38, 0.38, 0.38),
    (0.60, 0.48, 0.42),
    (0.90, 0.82, 0.70),
)
KEPT = (
    Source("bt709", 1, 1, 1),
    Source("bt709 full", 1, 1, 1, full_range=True),
    Source("bt601 525", 6, 6, 6),
    Source("bt601 525 full", 6, 6, 6, full_range=True),
    Source("bt601 625", 5, 5, 6),
    Source("smpte240m", 7, 7, 7, gets=1),
    Source("fcc", 4, 6, 6, gets=1),
    Source("bt709 10 bits", 1, 1, 1, bits=10),
    Source("bt601 of bt709", 6, 1, 1),
)
SILENT = (
    Source("silent sd", 2, 2, 2, means=6),
    Source("silent hd", 2, 2, 2, means=1, size=(64, 720)),
)
CONVERTED = (
    Source("bt2020", 9, 9, 14, bits=10),
    # Of 8 bits, one step of P3 is eight of BT.709 in the dark.
    Source("p3", 1, 12, 1, bits=10),
    Source("p3 vivid", 1, 12, 1, vivid=True),
    Source("bt2020 vivid", 9, 9, 14, bits=10, vivid=True),
    Source("pq", 9, 9, 16, bits=10),
    Source("pq full", 9, 9, 16, bits=10, full_range=True),
    Source("hlg", 9, 9, 18, bits=10),
)


def picture(kind: str, source: Source) -> bytes:
    """Return the four colours as a picture, which says them by its numbers."""
    stored = io.BytesIO()
    image = Image.new("RGB", source.size)
    half = tuple(side // 2 for side in source.size)
    for (x, y), signal in zip(PLACES, signals_of(source), strict=True):
        pixel = tuple(round(each * 255) for each in signal)
        corner = (half[0] * (x > 0.5), half[1] * (y > 0.5))
        image.paste(pixel, (*corner, corner[0] + half[0], corner[1] + half[1]))
    image.save(stored, kind, quality=95)
    content = stored.getvalue()
    if kind == "PNG":
        said = bytes([source.primaries, source.transfer, 0, 1])
        return content[:33] + chunk(b"cICP", said) + content[33:]
    at = content.index(b"colrnclx") + 8
    said = struct.pack(">HH", source.primaries, source.transfer)
    return content[:at] + said + content[at + 4 :]


def signals_of(source: Source) -> tuple[Triple, ...]:
    """What it holds. Where its primaries are wide, the usual colours, but said in those."""
    if source.primaries in FROM_BT709 and not source.vivid and source.transfer < 16:
        return tuple(_said_in(source.primaries, signal) for signal in USUAL)
    return {16: IN_PQ, 18: IN_HLG}.get(source.transfer, USUAL)


def _said_in(primaries: int, signal: Triple) -> Triple:
    light = [each**2.4 for each in signal]
    red, green, blue = (
        sum(a * b for a, b in zip(row, light, strict=True)) ** (1 / 2.4)
        for row in FROM_BT709[primaries]
    )
    return red, green, blue


def film(path: Path, source: Source) -> Path:
    """Return the four colours, for half a second."""
    with av.open(path, "w", format="mp4") as made:
        # So good that it is not what differs.
        options = {"preset": "ultrafast", "qp": "4"}
        video = made.add_stream("libx264", rate=30, options=options)
        assert isinstance(video, VideoStream)
        video.width, video.height = source.size
        video.pix_fmt = "yuv420p" if source.bits == 8 else "yuv420p10le"
        coding = video.codec_context
        coding.colorspace, coding.color_primaries = source.matrix, source.primaries
        coding.color_trc, coding.color_range = source.transfer, 2 if source.full_range else 1
        frame = VideoFrame(*source.size, video.pix_fmt)
        _fill(frame, source, signals_of(source))
        frame.colorspace, frame.color_range = source.matrix, coding.color_range
        frame.color_primaries, frame.color_trc = source.primaries, source.transfer
        for at in range(FRAMES):
            frame.pts, frame.time_base = at, Fraction(1, 30)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
    return path


def _fill(frame: VideoFrame, source: Source, signals: Sequence[Triple]) -> None:
    codes = [encode(signal, source.meant, source.bits, source.full_range) for signal in signals]
    unit = 1 if source.bits == 8 else 2
    for number, plane in enumerate(frame.planes):
        half = plane.width // 2 * unit
        rows = bytearray()
        for row in range(plane.height):
            left, right = (
                codes[at + 2 * (row * 2 >= plane.height)][number].to_bytes(unit, "little")
                for at in (0, 1)
            )
            line = left * (half // unit) + right * (half // unit)
            rows += line.ljust(plane.line_size, b"\0")
        plane.update(bytes(rows))


# ------------------------------------------------------------------ Y'CbCr


def encode(signal: Triple, matrix: int, bits: int, full_range: bool) -> tuple[int, int, int]:
    """R'G'B' to Y'CbCr of so many bits."""
    of_red, of_blue = SHARES[matrix]
    red, green, blue = signal
    light = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    blueness = (blue - light) / (2 * (1 - of_blue))
    redness = (red - light) / (2 * (1 - of_red))
    if full_range:
        most = 2**bits - 1
        return round(light * most), *(
            round(each * most + 2 ** (bits - 1)) for each in (blueness, redness)
        )
    step = 2 ** (bits - 8)
    return round((219 * light + 16) * step), *(
        round((224 * each + 128) * step) for each in (blueness, redness)
    )


def decode(codes: tuple[int, int, int], matrix: int) -> Triple:
    """Y'CbCr of 8 bits and limited range to R'G'B' of 8 bits."""
    of_red, of_blue = SHARES[matrix]
    light = (codes[0] - 16) / 219
    blueness, redness = ((each - 128) / 224 for each in codes[1:])
    red = light + 2 * (1 - of_red) * redness
    blue = light + 2 * (1 - of_blue) * blueness
    green = (light - of_red * red - of_blue * blue) / (1 - of_red - of_blue)
    return red * 255, green * 255, blue * 255


def colours_in(frame: VideoFrame) -> list[Triple]:
    """Of the quarters of a frame of yuv420p, by the matrix that it names."""
    assert frame.format.name == "yuv420p"
    found = []
    for x, y in PLACES:
        codes = []
        for plane in frame.planes:
            at = int(y * plane.height) * plane.line_size + int(x * plane.width)
            codes.append(bytes(plane)[at])
        found.append(decode((codes[0], codes[1], codes[2]), frame.colorspace))
    return found


# ------------------------------------------------------------------ what it is to look like

# Between the light of wide primaries and that of BT.709's: BT.2087, and for P3 SMPTE EG 432.
FROM_BT709 = {
    9: ((0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956)),
    12: ((0.8225, 0.1775, 0), (0.0332, 0.9668, 0), (0.0171, 0.0724, 0.9105)),
}
TO_BT709 = {
    9: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    12: ((1.2249, -0.2247, 0), (-0.0420, 1.0419, 0), (-0.0197, -0.0786, 1.0979)),
}


def shown(source: Source) -> list[Triple]:
    """R'G'B' of 8 bits: as the film has it by its matrix, or, where its primaries or its brightness
    are more than a screen of BT.709 has, as that shows it.
    """
    signals = signals_of(source)
    if source.primaries in TO_BT709:
        return [_shown(signal, source.primaries, source.transfer) for signal in signals]
    return [(red * 255, green * 255, blue * 255) for red, green, blue in signals]


def _shown(signal: Triple, primaries: int, transfer: int) -> Triple:
    light = {16: _light_of_pq, 18: _light_of_hlg}.get(transfer, _light_of_sdr)(signal)
    turned = [
        max(0.0, sum(a * b for a, b in zip(row, light, strict=True))) for row in TO_BT709[primaries]
    ]
    if transfer in {16, 18}:
        brightest = max(turned)
        turned = [each * _tone(brightest) / brightest for each in turned]
    red, green, blue = (255 * min(1.0, each) ** (1 / 2.4) for each in turned)
    return red, green, blue


def _light_of_sdr(signal: Triple) -> list[float]:
    return [each**2.4 for each in signal]


def _light_of_pq(signal: Triple) -> list[float]:
    """BT.2100, table 4, with white at 203 cd/m2."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    powers = [each ** (1 / m2) for each in signal]
    return [10_000 * (max(p - c1, 0) / (c2 - c3 * p)) ** (1 / m1) / 203 for p in powers]


def _light_of_hlg(signal: Triple) -> list[float]:
    """BT.2100, table 5, on a screen of 1,000 cd/m2, with white at 203."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = [
        each**2 / 3 if each <= 0.5 else (pow(2.718281828, (each - c) / a) + b) / 12
        for each in signal
    ]
    bright = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
    return [1000 * bright**0.2 * each / 203 for each in scene]


def _tone(light: float) -> float:
    """As it is up to 0.8 of white; above, Reinhard's curve, which is 1 at 1,000 cd/m2."""
    if light <= 0.8:
        return light
    x, most = (min(light, 1000 / 203) - 0.8) / 0.2, (1000 / 203 - 0.8) / 0.2
    return 0.8 + 0.2 * x * (1 + x / most / most) / (1 + x)
