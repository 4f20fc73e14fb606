"""Colours: what the numbers of a film's frames mean, and how they become those of SDR in BT.709.

Films of standard dynamic range and usual primaries stay as they are, and what is made of them says
what that is: each browser and phone then shows it as it showed what was sent. What few screens show
as it is meant becomes BT.709: wide gamuts (BT.2020, P3), and the high dynamic ranges of BT.2100 (PQ
and HLG), whose white of 203 cd/m2 (BT.2408) becomes one that leaves room for what is brighter.
"""

from collections.abc import Callable, Iterator

import msgspec
from av.video.frame import VideoFrame

# Numbers as in ITU-T H.273.
BT709, FCC, BT470BG, SMPTE170M, SMPTE240M = 1, 4, 5, 6, 7
BT2020, BT2020_CONSTANT, P3_CINEMA, P3_DISPLAY = 9, 10, 11, 12
PQ, HLG = 16, 18
LIMITED_RANGE, FULL_RANGE = 1, 2
# A matrix to FFmpeg's name of it.
MATRICES = {
    BT709: "bt709",
    FCC: "fcc",
    BT470BG: "bt601",
    SMPTE170M: "bt601",
    SMPTE240M: "smpte240m",
    BT2020: "bt2020",
    BT2020_CONSTANT: "bt2020",
}
# Where a film says nothing, it means BT.709 from this height on, as browsers have it.
_HD_HEIGHT = 720
# x and y of red, green and blue; white is D65.
_PRIMARIES = {
    BT709: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    BT470BG: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    SMPTE170M: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    SMPTE240M: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    P3_CINEMA: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    P3_DISPLAY: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_WHITE = (0.3127, 0.3290)
_WIDE = frozenset({BT2020, P3_CINEMA, P3_DISPLAY})
_RARE = frozenset({FCC, SMPTE240M})
# Those of standard dynamic range, which differ by little.
_TRANSFERS = frozenset({1, 4, 5, 6, 7, 13, 14, 15})

# What goes with a matrix, where that has another number.
_USUAL_PRIMARIES = {FCC: SMPTE170M, BT2020_CONSTANT: BT2020}
_USUAL_TRANSFERS = {FCC: SMPTE170M, BT470BG: SMPTE170M, BT2020: 14, BT2020_CONSTANT: 14}

# BT.1886, for what is shown and what it is shown as.
_GAMMA = 2.4
_WHITE_NITS = 203.0
_HLG_PEAK_NITS = 1000.0
_HLG_GAMMA = 1.2
# Light up to this share of white stays as it is; above, it nears 1, which the peak is shown as.
KNEE = 0.8
PEAK = 1000.0 / _WHITE_NITS
# So many values of each colour in a table: with the usual 33, colours at the edge are off by 5.
LUT_SIZE = 49

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]


class Colours(msgspec.Struct, frozen=True):
    """Matrix, primaries and transfer by their numbers; and whether black is 0."""

    matrix: int
    primaries: int
    transfer: int
    full_range: bool

    @property
    def is_hdr(self) -> bool:
        return self.transfer in {PQ, HLG}

    @property
    def is_kept(self) -> bool:
        """Return True if R'G'B' stays as it is."""
        wide = self.primaries in _WIDE or self.matrix in {BT2020, BT2020_CONSTANT}
        return not self.is_hdr and not wide

    def made(self) -> "Colours":
        """Those of what is made of it."""
        if not self.is_kept:
            return SDR
        if self.matrix in _RARE:
            # Browsers do not know them.
            return Colours(BT709, self.primaries, BT709, full_range=False)
        return msgspec.structs.replace(self, full_range=False)


SDR = Colours(BT709, BT709, BT709, full_range=False)


def colours_of(frame: VideoFrame) -> Colours:
    """Return the colours that a frame names, and the usual ones where it names none."""
    is_rgb = frame.format.is_rgb
    matrix = frame.colorspace
    if matrix not in MATRICES or is_rgb:
        wide = frame.color_primaries == BT2020
        hd = frame.height >= _HD_HEIGHT or is_rgb
        matrix = BT2020 if wide else BT709 if hd else SMPTE170M
    primaries = frame.color_primaries
    if primaries not in _PRIMARIES:
        primaries = _USUAL_PRIMARIES.get(matrix, matrix)
    transfer = frame.color_trc
    if transfer not in _TRANSFERS and transfer not in _LIGHT:
        transfer = _USUAL_TRANSFERS.get(matrix, matrix)
    full_range = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj") or is_rgb
    return Colours(matrix, primaries, transfer, full_range)


def knows(primaries: int, transfer: int) -> bool:
    """Return whether `as_sdr` can convert these colours."""
    return primaries in _PRIMARIES and (transfer in _TRANSFERS or transfer in _LIGHT)


def as_sdr(colours: Colours) -> Callable[[Triple], Triple]:
    """From R'G'B' of these colours, each 0 to 1, to that of SDR in BT.709, for a screen of
    BT.1886.
    """
    to_light = _LIGHT.get(colours.transfer, _of_sdr)
    to_bt709 = _between(colours.primaries, BT709)

    def convert(signal: Triple) -> Triple:
        light = _times(to_bt709, to_light(signal))
        red, green, blue = (max(0.0, each) for each in light)
        scale = _rolled_off(max(red, green, blue)) if colours.is_hdr else 1.0
        return _encoded(red * scale), _encoded(green * scale), _encoded(blue * scale)

    return convert


def lut_of(colours: Colours) -> Iterator[Triple]:
    """Return `as_sdr` of `LUT_SIZE` values of each colour, red first."""
    convert = as_sdr(colours)
    steps = [at / (LUT_SIZE - 1) for at in range(LUT_SIZE)]
    return (convert((red, green, blue)) for blue in steps for green in steps for red in steps)


def write_lut(path: str, colours: Colours) -> None:
    """Write the table as a file that FFmpeg's `lut3d` reads."""
    rows = (f"{red:.6f} {green:.6f} {blue:.6f}\n" for red, green, blue in lut_of(colours))
    with open(path, "w") as file:
        file.write(f"LUT_3D_SIZE {LUT_SIZE}\n")
        file.writelines(rows)


# ------------------------------------------------------------------ light, in shares of white


def _of_sdr(signal: Triple) -> Triple:
    red, green, blue = (each**_GAMMA for each in signal)
    return red, green, blue


def _of_pq(signal: Triple) -> Triple:
    """SMPTE ST 2084."""
    red, green, blue = (_pq_nits(each) / _WHITE_NITS for each in signal)
    return red, green, blue


def _pq_nits(signal: float) -> float:
    root = signal ** (32 / 2523)
    above = max(root - 3424 / 4096, 0.0)
    return float(10_000 * (above / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305))


def _of_hlg(signal: Triple) -> Triple:
    """BT.2100, on a screen of 1,000 cd/m2."""
    red, green, blue = (_hlg_scene(each) for each in signal)
    bright = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    scale = bright ** (_HLG_GAMMA - 1) * _HLG_PEAK_NITS / _WHITE_NITS
    return red * scale, green * scale, blue * scale


def _hlg_scene(signal: float) -> float:
    if signal <= 0.5:
        return signal * signal / 3
    return float((2.718281828459045 ** ((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)


_LIGHT = {PQ: _of_pq, HLG: _of_hlg}


def _rolled_off(brightest: float) -> float:
    """By how much light is dimmed whose brightest colour that is: Reinhard's curve above the
    knee, steady there, and 1 at the peak.
    """
    if brightest <= KNEE:
        return 1.0
    room = 1 - KNEE
    over, most = (min(brightest, PEAK) - KNEE) / room, (PEAK - KNEE) / room
    return (KNEE + room * over * (1 + over / most**2) / (1 + over)) / brightest


def _encoded(light: float) -> float:
    return float(min(light, 1.0) ** (1 / _GAMMA))


# ------------------------------------------------------------------ primaries


def _between(source: int, target: int) -> Matrix:
    """Return the matrix from light of some primaries to that of others."""
    return _product(_inverse(_to_xyz(target)), _to_xyz(source))


def _to_xyz(primaries: int) -> Matrix:
    columns = [_xyz(x, y) for x, y in _PRIMARIES[primaries]]
    rows: Matrix = tuple(zip(*columns, strict=True))  # type: ignore[assignment]
    shares = _times(_inverse(rows), _xyz(*_WHITE))
    scaled = (tuple(a * b for a, b in zip(row, shares, strict=True)) for row in rows)
    return tuple(scaled)  # type: ignore[return-value]


def _xyz(x: float, y: float) -> Triple:
    return x / y, 1.0, (1 - x - y) / y


def _times(matrix: Matrix, vector: Triple) -> Triple:
    one, two, three = matrix
    a, b, c = vector
    return (
        one[0] * a + one[1] * b + one[2] * c,
        two[0] * a + two[1] * b + two[2] * c,
        three[0] * a + three[1] * b + three[2] * c,
    )


def _product(one: Matrix, other: Matrix) -> Matrix:
    columns = [_times(one, column) for column in zip(*other, strict=True)]
    return tuple(zip(*columns, strict=True))  # type: ignore[return-value]


def _inverse(matrix: Matrix) -> Matrix:
    one, two, three = matrix
    rows = (_cross(two, three), _cross(three, one), _cross(one, two))
    size = sum(a * b for a, b in zip(one, rows[0], strict=True))
    columns = [tuple(each / size for each in row) for row in rows]
    return tuple(zip(*columns, strict=True))  # type: ignore[return-value]


def _cross(one: Triple, other: Triple) -> Triple:
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )
