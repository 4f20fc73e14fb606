"""ThumbHash: some 25 bytes that say what a picture looks like from afar.

The algorithm is Evan Wallace's (github.com/evanw/thumbhash, MIT), with the cosine transform taken
apart into rows and columns. The package of that name fails on transparency (0.1.2).
"""

import base64
import math
from collections.abc import Sequence

from PIL import Image

# The hash has at most seven waves in each direction, so more pixels say nothing more.
SIDE_PX = 48

Row = Sequence[float]


def placeholder_of(picture: Image.Image) -> str:
    """Return the ThumbHash of an upright picture, base64."""
    small = picture.convert("RGBA")
    small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    return base64.b64encode(thumb_hash(*small.size, small.tobytes())).decode()


def thumb_hash(width: int, height: int, rgba: bytes) -> bytes:
    """Return the ThumbHash of `width` x `height` pixels of four bytes."""
    alpha = [byte / 255 for byte in rgba[3::4]]
    total = sum(alpha)
    has_alpha = total < width * height
    channels = _channels(rgba, alpha, total)
    most = 5 if has_alpha else 7
    lx = max(1, _round(most * width / max(width, height)))
    ly = max(1, _round(most * height / max(width, height)))
    lightness, yellow_blue, red_green = (
        _waves(channel, width, height, nx, ny)
        for channel, nx, ny in zip(channels, (max(3, lx), 3, 3), (max(3, ly), 3, 3), strict=True)
    )
    landscape = width > height
    first = (
        _round(63 * lightness[0])
        | _round(31.5 + 31.5 * yellow_blue[0]) << 6
        | _round(31.5 + 31.5 * red_green[0]) << 12
        | _round(31 * lightness[2]) << 18
        | has_alpha << 23
    )
    second = (
        (ly if landscape else lx)
        | _round(63 * yellow_blue[2]) << 3
        | _round(63 * red_green[2]) << 9
        | landscape << 15
    )
    head = first.to_bytes(3, "little") + second.to_bytes(2, "little")
    waves = [*lightness[1], *yellow_blue[1], *red_green[1]]
    if has_alpha:
        opacity = _waves(alpha, width, height, 5, 5)
        head += bytes([_round(15 * opacity[0]) | _round(15 * opacity[2]) << 4])
        waves += opacity[1]
    return head + _nibbles(waves)


def _channels(rgba: bytes, alpha: Row, total: float) -> tuple[Row, Row, Row]:
    """Return lightness, yellow against blue, and red against green, over the average colour."""
    over = [_over(rgba[at::4], alpha, total) for at in range(3)]
    pixels = list(zip(*over, strict=True))
    return (
        [(r + g + b) / 3 for r, g, b in pixels],
        [(r + g) / 2 - b for r, g, b in pixels],
        [r - g for r, g, _ in pixels],
    )


def _over(colour: bytes, alpha: Row, total: float) -> Row:
    average = sum(a / 255 * c for a, c in zip(alpha, colour, strict=True)) / (total or 1)
    return [average * (1 - a) + a / 255 * c for a, c in zip(alpha, colour, strict=True)]


def _waves(channel: Row, width: int, height: int, nx: int, ny: int) -> tuple[float, Row, float]:
    """Return the average, the waves from 0 to 1 around 0.5, and what they were divided by."""
    across = [_cosines(width, cx) for cx in range(nx)]
    rows = [channel[y * width : (y + 1) * width] for y in range(height)]
    by_row = [[_dot(row, wave) for row in rows] for wave in across]
    found = []
    for cy in range(ny):
        down = _cosines(height, cy)
        for cx in range(-(-nx * (ny - cy) // ny)):
            found.append(_dot(by_row[cx], down) / (width * height))
    average, *rest = found
    scale = max(map(abs, rest))
    return average, [0.5 + 0.5 / scale * each for each in rest] if scale else rest, scale


def _cosines(length: int, waves: int) -> Row:
    return [math.cos(math.pi / length * waves * (at + 0.5)) for at in range(length)]


def _dot(one: Row, other: Row) -> float:
    return sum(map(float.__mul__, one, other))


def _nibbles(waves: Row) -> bytes:
    values = [_round(15 * wave) for wave in waves]
    values += [0] * (len(values) % 2)
    return bytes(low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True))


def _round(value: float) -> int:
    """Round halves up, as the original does."""
    return math.floor(value + 0.5)
