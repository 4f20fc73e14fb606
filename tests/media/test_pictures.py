"""Pictures come out small, upright, without what else the file said, and those that move keep
moving.
"""

import base64

import pytest
from PIL import Image, ImageSequence

from models.media.media import MediaKind
from models.media.renditions import RenditionName
from tests.media.files import (
    corners,
    encoded,
    moving,
    photo,
    quarters,
    swapped_profile,
    telling,
    telling_exif,
    telling_photo,
)
from tests.media.hostile_files import png
from tests.media.studio import Studio, check_says_nothing, find, get, path_of, shown
from workers.media.renderers.placeholder import thumb_hash
from workers.media.rendition_sizes import RenditionSizes
from workers.media.renditions import MediaLimits, Unusable

THUMBNAIL, PREVIEW, FULL = RenditionName.THUMBNAIL, RenditionName.PREVIEW, RenditionName.FULL
IMAGE = MediaKind.IMAGE
UPRIGHT = ["red", "green", "blue", "white"]


# ------------------------------------------------------------------ a photo from a phone


async def test_a_photo_of_12_megapixels_is_shown_in_300_kb(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, telling_photo())
    preview = get(rendered, PREVIEW)
    assert (preview.content_type, preview.width, preview.height) == ("image/jpeg", 1200, 1600)
    assert preview.byte_size <= 300_000
    assert shown(rendered).size == (1200, 1600)


async def test_it_costs_less_than_400_ms_and_is_never_in_memory_whole(studio: Studio) -> None:
    costs = [(await studio.measure(IMAGE, telling_photo())).exit for _ in range(3)]
    assert min(each.cpu_s for each in costs) < 0.4
    # Of which the decoders are 45; its pixels would be another 48.
    assert max(each.peak_bytes for each in costs) < 80 << 20


async def test_it_says_nothing_of_where_by_whom_and_with_what(studio: Studio) -> None:
    check_says_nothing(await studio.make(IMAGE, telling_photo()))


async def test_its_thumbnail_is_a_small_webp(studio: Studio) -> None:
    thumbnail = get(await studio.make(IMAGE, telling_photo()), THUMBNAIL)
    assert (thumbnail.content_type, thumbnail.width, thumbnail.height) == ("image/webp", 240, 320)
    assert thumbnail.byte_size < 40_000


async def test_its_size_is_that_of_the_upright_picture(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, telling_photo())
    assert (rendered.content_type, rendered.width, rendered.height) == ("image/jpeg", 3000, 4000)


# ------------------------------------------------------------------ any picture


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_it_is_upright(studio: Studio, orientation: int) -> None:
    turned = _turned(quarters(), orientation)
    content = encoded(turned, exif=telling_exif(orientation))
    rendered = await studio.make(IMAGE, content)
    assert corners(shown(rendered)) == UPRIGHT
    assert corners(shown(rendered, THUMBNAIL)) == UPRIGHT
    assert (rendered.width, rendered.height) == (200, 100)


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("HEIF", "image/heic"),
        ("AVIF", "image/avif"),
    ],
)
async def test_every_kind_is_read_and_stripped(
    studio: Studio, kind: str, content_type: str
) -> None:
    rendered = await studio.make(IMAGE, telling(kind))
    assert rendered.content_type == content_type
    assert corners(shown(rendered)) == UPRIGHT
    check_says_nothing(rendered)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16"])
async def test_every_sort_of_pixel_is_read(studio: Studio, mode: str) -> None:
    picture = quarters()
    if mode == "I;16":
        picture = picture.convert("L").convert("I").point(lambda value: value * 256)
    content = encoded(picture.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    picture = shown(await studio.make(IMAGE, content))
    assert _grey_at(picture, 50, 75) < 100
    assert _grey_at(picture, 150, 75) > 200


async def test_small_ones_stay_as_small(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, encoded(quarters((40, 20)), "PNG"))
    assert [(made.width, made.height) for made in rendered.renditions] == [(40, 20), (40, 20)]


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (321, 7)])
async def test_strange_shapes_are_shown(studio: Studio, size: tuple[int, int]) -> None:
    rendered = await studio.make(IMAGE, encoded(quarters(size), "PNG"))
    assert max(shown(rendered).size) == min(1600, max(size))


async def test_transparency_is_kept(studio: Studio) -> None:
    picture = quarters(mode="RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    rendered = await studio.make(IMAGE, encoded(picture, "PNG"))
    assert get(rendered, PREVIEW).content_type == "image/webp"
    alpha = shown(rendered).getchannel("A")
    assert [alpha.getpixel((100, y)) for y in (1, 98)] == [
        pytest.approx(3, abs=6),
        pytest.approx(252, abs=6),
    ]


async def test_an_alpha_channel_of_nothing_makes_no_webp(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, encoded(quarters(mode="RGBA"), "PNG"))
    assert get(rendered, PREVIEW).content_type == "image/jpeg"


async def test_a_setting_makes_previews_webp(studio: Studio) -> None:
    limits = MediaLimits(sizes=RenditionSizes(preview_format="WEBP"))
    rendered = await studio.make(IMAGE, telling_photo(), limits)
    preview = get(rendered, PREVIEW)
    assert preview.content_type == "image/webp"
    assert preview.byte_size <= 300_000


async def test_colours_are_those_that_the_profile_means(studio: Studio) -> None:
    content = encoded(quarters(), icc_profile=swapped_profile())
    rendered = await studio.make(IMAGE, content)
    assert corners(shown(rendered)) == ["blue", "green", "red", "white"]
    check_says_nothing(rendered)


async def test_one_that_says_to_move_and_does_not_is_still(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, encoded(quarters(), "GIF"))
    assert find(rendered, FULL) is None


# ------------------------------------------------------------------ moving


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
async def test_moving_pictures_keep_moving(studio: Studio, kind: str) -> None:
    rendered = await studio.make(IMAGE, moving(kind))
    greys, durations = _frames(shown(rendered, FULL))
    assert len(greys) == 6
    assert greys == sorted(greys)
    assert greys[-1] - greys[0] > 150
    assert durations == [100] * 6
    check_says_nothing(rendered)


async def test_frames_beyond_the_cap_are_thinned_out_at_the_same_pace(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, moving("GIF", 6), MediaLimits(animation_frames=3))
    _, durations = _frames(shown(rendered, FULL))
    assert durations == [200] * 3


async def test_a_moving_picture_is_shrunk(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, moving("GIF", 3, (1000, 500)))
    assert shown(rendered, FULL).size == (640, 320)


async def test_one_that_stays_too_large_is_shown_still(studio: Studio) -> None:
    limits = MediaLimits(sizes=RenditionSizes(animation_bytes=50))
    rendered = await studio.make(IMAGE, moving("GIF"), limits)
    assert [made.name for made in rendered.renditions] == [PREVIEW, THUMBNAIL]
    assert not (path_of(rendered, PREVIEW).parent / "full.webp").exists()


# ------------------------------------------------------------------ the placeholder


async def test_the_placeholder_is_the_thumb_hash(studio: Studio) -> None:
    rendered = await studio.make(IMAGE, encoded(quarters((48, 24)), "PNG"))
    assert rendered.placeholder is not None
    assert len(base64.b64decode(rendered.placeholder)) in range(15, 26)


@pytest.mark.parametrize(
    ("size", "see_through", "expected"),
    [
        ((8, 5), False, "16e90d1c9a4359798078888787773f373ff388"),
        ((2, 2), False, "84f809170a750a8a84787b8788b887088a7b380776728f08"),
        ((7, 7), True, "da5886150a2881879689b09797f38e05b9f75068546a967687"),
        ((9, 4), True, "56388a1a8a27376cb078880e3d78f17650596769877878"),
        ((1, 6), True, "89299169363308887788780888777f8808f7848b877878"),
        ((48, 48), True, "def78105020740548477710887f4680bb5c767577786757507"),
    ],
)
def test_thumb_hashes_are_those_of_the_original(
    size: tuple[int, int], see_through: bool, expected: str
) -> None:
    """Computed by the JavaScript of its author, release 0.1.1."""
    width, height = size
    rgba = bytes(
        part % 256
        for y in range(height)
        for x in range(width)
        for part in (x * 37, y * 53, x * y * 11, x * 29 + y * 17 if see_through else 255)
    )
    assert thumb_hash(width, height, rgba).hex() == expected


# ------------------------------------------------------------------ not a picture


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
async def test_a_truncated_one_is_refused(studio: Studio, kind: str, share: float) -> None:
    content = encoded(photo((400, 300)), kind)
    with pytest.raises(Unusable, match="damaged"):
        await studio.make(IMAGE, content[: int(len(content) * share)])


async def test_too_many_pixels_are_refused_by_the_header(studio: Studio) -> None:
    with pytest.raises(Unusable, match="too large"):
        await studio.make(IMAGE, png((100, 100)), MediaLimits(picture_pixels=9_999))


async def test_so_is_what_the_child_has_no_memory_for(studio: Studio) -> None:
    with pytest.raises(Unusable, match="too large"):
        await studio.make(IMAGE, png((2000, 2000)), MediaLimits(child_memory_bytes=32 << 20))


def _turned(picture: Image.Image, orientation: int) -> Image.Image:
    """As a camera stores it that was held so."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return picture.transpose(undo[orientation]) if orientation in undo else picture


def _frames(picture: Image.Image) -> tuple[list[int], list[int]]:
    """Return the grey of each, and for how many ms it is shown."""
    greys: list[int] = []
    durations: list[int] = []
    for frame in ImageSequence.Iterator(picture):
        greys.append(_grey_at(frame, 5, 5))
        durations.append(frame.info["duration"])
    return greys, durations


def _grey_at(picture: Image.Image, x: int, y: int) -> int:
    return picture.convert("L").crop((x, y, x + 1, y + 1)).tobytes()[0]
