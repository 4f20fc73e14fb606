"""A film shows the colours that it showed to whoever sent it, and says which they are."""

import struct
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame

from models.media.media import MediaKind
from models.media.renditions import RenditionName
from tests.media.files import clip, corners
from tests.media.film_colours import (
    CONVERTED,
    FRAMES,
    KEPT,
    PLACES,
    SILENT,
    Source,
    Triple,
    colours_in,
    film,
    picture,
    shown,
)
from tests.media.studio import Studio, path_of
from tests.media.studio import shown as picture_of
from workers.media.renditions import Rendered

VIDEO, FULL = MediaKind.VIDEO, RenditionName.FULL
MOST_APART = 6
UPRIGHT = ["red", "green", "blue", "white"]


def name_of(source: Source) -> str:
    return source.name


def apart(found: list[Triple], expected: list[Triple]) -> float:
    """Return the most by which red, green or blue of one of them differs."""
    return max(
        abs(a - b)
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def frames_of(rendered: Rendered) -> list[VideoFrame]:
    with av.open(path_of(rendered, FULL)) as made:
        return list(made.decode(video=0))


def said_of(frame: VideoFrame) -> tuple[int, int, int, int]:
    return frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range


def pixels_of(rendered: Rendered, name: RenditionName) -> list[Triple]:
    picture = picture_of(rendered, name).convert("RGB")
    width, height = picture.size
    found = [picture.getpixel((int(x * width), int(y * height))) for x, y in PLACES]
    assert all(isinstance(pixel, tuple) for pixel in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("source", KEPT, ids=name_of)
async def test_usual_colours_stay_as_they_are_and_are_named(
    studio: Studio, tmp_path: Path, source: Source
) -> None:
    frames = frames_of(await studio.make(VIDEO, film(tmp_path / "film", source)))

    assert len(frames) == FRAMES
    for frame in frames[:: FRAMES - 1]:
        matrix, transfer = source.gets or source.matrix, source.gets or source.transfer
        assert said_of(frame) == (matrix, source.primaries, transfer, 1)
        assert apart(colours_in(frame), shown(source)) <= MOST_APART


@pytest.mark.parametrize("source", SILENT, ids=name_of)
async def test_what_says_nothing_means_what_browsers_take_it_for(
    studio: Studio, tmp_path: Path, source: Source
) -> None:
    frame = frames_of(await studio.make(VIDEO, film(tmp_path / "film", source)))[-1]

    assert said_of(frame) == (source.meant, source.meant, source.meant, 1)
    assert apart(colours_in(frame), shown(source)) <= MOST_APART


@pytest.mark.parametrize("source", CONVERTED, ids=name_of)
async def test_wide_and_bright_colours_become_those_of_bt709(
    studio: Studio, tmp_path: Path, source: Source
) -> None:
    frame = frames_of(await studio.make(VIDEO, film(tmp_path / "film", source)))[-1]

    assert said_of(frame) == (1, 1, 1, 1)
    assert apart(colours_in(frame), shown(source)) <= MOST_APART


@pytest.mark.parametrize("source", [each for each in CONVERTED if each.transfer in {16, 18}])
async def test_white_of_a_bright_film_is_white(
    studio: Studio, tmp_path: Path, source: Source
) -> None:
    frame = frames_of(await studio.make(VIDEO, film(tmp_path / "film", source)))[-1]

    assert min(colours_in(frame)[0]) > 235


@pytest.mark.parametrize("source", [*KEPT, *SILENT, *CONVERTED], ids=name_of)
async def test_posters_and_thumbnails_show_the_same(
    studio: Studio, tmp_path: Path, source: Source
) -> None:
    rendered = await studio.make(VIDEO, film(tmp_path / "film", source))

    for name in (RenditionName.PREVIEW, RenditionName.THUMBNAIL):
        assert apart(pixels_of(rendered, name), shown(source)) <= MOST_APART


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "PNG"])
@pytest.mark.parametrize(
    "source",
    [KEPT[0], *(each for each in CONVERTED if each.vivid or each.name in {"pq", "hlg"})],
    ids=name_of,
)
async def test_pictures_that_say_such_colours_show_the_same(
    studio: Studio, source: Source, kind: str
) -> None:
    rendered = await studio.make(MediaKind.IMAGE, picture(kind, source))

    # They have 8 bits, of which one step in the dark may be several of BT.709.
    assert apart(pixels_of(rendered, RenditionName.PREVIEW), shown(source)) <= MOST_APART + 3


async def test_the_container_says_it_as_well(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, film(tmp_path / "film", KEPT[2]))

    content = path_of(rendered, FULL).read_bytes()
    assert content[content.index(b"colrnclx") + 8 :][:7] == bytes([0, 6, 0, 6, 0, 6, 0])


# ------------------------------------------------------------------ which way is up


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("vflip", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
async def test_a_film_is_upright_and_not_mirrored_however_it_was_held(
    studio: Studio, tmp_path: Path, rotation: int, hflip: bool, vflip: bool
) -> None:
    path = clip(
        tmp_path / "clip",
        (64, 48),
        seconds=0.2,
        sound=None,
        rotation=rotation,
        mirrored=(hflip, vflip),
    )

    rendered = await studio.make(VIDEO, path)

    expected = displayed(path.read_bytes())
    assert corners(picture_of(rendered)) == expected
    assert corners(frames_of(rendered)[0].to_image()) == expected  # type: ignore[no-untyped-call]


def displayed(content: bytes) -> list[str]:
    """The corners of the quarters, when each point (x, y) of the film goes to (ax + cy, bx + dy),
    as QuickTime has it of the matrix that the track's header holds.
    """
    header = content.index(b"tkhd") + 44
    a, b, _, c, d = (each / 65_536 for each in struct.unpack_from(">5i", content, header))
    places = [(-1, -1), (1, -1), (-1, 1), (1, 1)]
    shown_at = {
        (round(a * x + c * y), round(b * x + d * y)): colour
        for (x, y), colour in zip(places, UPRIGHT, strict=True)
    }
    return [shown_at[place] for place in places]
