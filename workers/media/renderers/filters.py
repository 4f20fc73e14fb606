"""FFmpeg's filters for the frames of a film: shrunk, upright, not mirrored, in colours that what is
made of it says, and with nothing said of the pixels' shape.
"""

import struct
from fractions import Fraction

import av.filter
from av.filter.context import FilterContext
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from workers.media.renderers.colours import (
    FULL_RANGE,
    LIMITED_RANGE,
    MATRICES,
    Colours,
    colours_of,
    write_lut,
)

Size = tuple[int, int]
Shape = tuple[int, int, str, Colours, int]

_LUT = "colours.cube"
# Where the axes of a picture go, as signs of its display matrix: (a, d) where it lies as it is,
# (b, c) where it lies on its side. FFmpeg names turns after a clock.
_STRAIGHT = {(1, 1): (), (-1, 1): ("hflip",), (1, -1): ("vflip",), (-1, -1): ("hflip", "vflip")}
_ON_ITS_SIDE = {(1, -1): "clock", (-1, 1): "cclock", (1, 1): "cclock_flip", (-1, -1): "clock_flip"}


def turns_of(frame: VideoFrame) -> tuple[str, ...]:
    """Return the filters that show the frame as its display matrix says: upright and not
    mirrored.
    """
    try:
        matrix = frame.side_data[Type.DISPLAYMATRIX]  # type: ignore[typeddict-item]
    except KeyError:
        return ()
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return (f"transpose={_ON_ITS_SIDE[_sign(b), _sign(c)]}",)
    return _STRAIGHT[_sign(a), _sign(d)]


def lies_on_its_side(turns: tuple[str, ...]) -> bool:
    return any(turn.startswith("transpose") for turn in turns)


def shape_of(frame: VideoFrame) -> Shape:
    """Return what filters depend on: frames that are equal in this can share filters."""
    return frame.width, frame.height, frame.format.name, colours_of(frame), frame.rotation


class FilmFilters:
    """For frames of one shape: `size` is that of the film that is made, `made` its colours."""

    def __init__(self, frame: VideoFrame, size: Size, made: Colours, time_base: Fraction) -> None:
        self.shape = shape_of(frame)
        self._colours = colours_of(frame)
        self._time_base = time_base
        turns = turns_of(frame)
        width, height = size[::-1] if lies_on_its_side(turns) else size
        graph = av.filter.Graph()
        graph.threads = 1
        steps = [
            _source(graph, frame, self._colours, time_base),
            *_recoloured(graph, f"{width}:{height}:flags=bicubic", self._colours, made),
            graph.add("format", "yuv420p"),
            *(graph.add(*turn.split("=")) for turn in turns),
            graph.add("setsar", "1"),
            graph.add("sidedata", "delete"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        self._graph = graph
        self._made = made

    def run(self, frame: VideoFrame) -> VideoFrame:
        frame.pts = 0
        frame.time_base = self._time_base
        frame.colorspace = self._colours.matrix
        frame.color_range = _range_of(self._colours)
        self._graph.vpush(frame)
        shown = self._graph.vpull()
        shown.colorspace = self._made.matrix
        shown.color_range = LIMITED_RANGE
        shown.color_primaries = self._made.primaries
        shown.color_trc = self._made.transfer
        return shown


def _source(
    graph: av.filter.Graph, frame: VideoFrame, colours: Colours, time_base: Fraction
) -> FilterContext:
    is_rgb = frame.format.is_rgb
    return graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        f":time_base={time_base}:range={_range_of(colours)}"
        f":colorspace={0 if is_rgb else colours.matrix}",
    )


def _recoloured(
    graph: av.filter.Graph, size: str, colours: Colours, made: Colours
) -> list[FilterContext]:
    """Shrinks, and gives them the colours of what is made."""
    given = f"in_color_matrix={MATRICES[colours.matrix]}:in_range={_range_name(colours)}"
    wanted = f"out_color_matrix={MATRICES[made.matrix]}:out_range=limited"
    if colours.is_kept:
        return [graph.add("scale", f"{size}:{given}:{wanted}")]
    return [
        graph.add("scale", f"{size}:{given}:out_range=full"),
        *lut_filters(graph, colours),
        graph.add("scale", wanted),
    ]


def lut_filters(graph: av.filter.Graph, colours: Colours) -> list[FilterContext]:
    """Return the filters to R'G'B' of SDR in BT.709, by a table that is written into the present
    folder.
    """
    write_lut(_LUT, colours)
    return [
        graph.add("format", "gbrp12"),
        graph.add("lut3d", f"file={_LUT}:interp=tetrahedral"),
    ]


def _range_of(colours: Colours) -> int:
    return FULL_RANGE if colours.full_range else LIMITED_RANGE


def _range_name(colours: Colours) -> str:
    return "full" if colours.full_range else "limited"


def _sign(value: int) -> int:
    return -1 if value < 0 else 1
