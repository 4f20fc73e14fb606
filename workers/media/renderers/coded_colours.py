"""Colours of pictures that say them by numbers, as films do, and not by a profile: HEIF and AVIF in
an `nclx` box, PNG in a `cICP` chunk. Wide ones and those of high dynamic range become sRGB.
"""

import re
from fractions import Fraction

import av.filter
from av.video.frame import VideoFrame
from PIL import Image

from workers.media.renderers.colours import BT709, Colours, knows
from workers.media.renderers.filters import lut_filters

# Within so many bytes from the beginning.
SAID_WITHIN_BYTES = 64 * 1024
_BOX = re.compile(rb"colrnclx(.{4})", re.DOTALL)
_CHUNK = re.compile(rb"\0\0\0\x04cICP(.)(.)", re.DOTALL)


def coded_colours(head: bytes) -> Colours | None:
    """Return what a picture says at its beginning of primaries and transfer; None where it says
    nothing, or what screens show as it is.
    """
    if (box := _BOX.search(head)) is not None:
        primaries, transfer = int.from_bytes(box[1][:2], "big"), int.from_bytes(box[1][2:], "big")
    elif (chunk := _CHUNK.search(head)) is not None:
        primaries, transfer = chunk[1][0], chunk[2][0]
    else:
        return None
    if not knows(primaries, transfer):
        return None
    # Its decoder has turned the matrix.
    colours = Colours(BT709, primaries, transfer, full_range=True)
    return None if colours.is_kept else colours


def shown_as_sdr(picture: Image.Image, colours: Colours) -> Image.Image:
    """Return a picture in RGB or RGBA as sRGB. Pillow has tables of colours, too, but goes between
    their values in a way that makes greys darker.
    """
    frame = VideoFrame.from_image(picture.convert("RGB"))  # type: ignore[no-untyped-call]
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    graph = av.filter.Graph()
    graph.threads = 1
    steps = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        ),
        *lut_filters(graph, colours),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*steps).configure()
    graph.vpush(frame)
    shown: Image.Image = graph.vpull().to_image()  # type: ignore[no-untyped-call]
    if picture.mode == "RGBA":
        shown.putalpha(picture.getchannel("A"))
    return shown
