"""Videos come out as MP4 that plays from its first bytes on, upright, in square pixels, without
what else the file said; with a poster.
"""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from models.media.media import MediaKind
from models.media.renditions import RenditionName
from tests.media.files import clip, corners, panned, recording, without_length
from tests.media.hostile_files import box
from tests.media.studio import Studio, check_says_nothing, get, path_of, shown
from workers.media.renditions import MediaLimits, Rendered, Unusable

THUMBNAIL, PREVIEW, FULL = RenditionName.THUMBNAIL, RenditionName.PREVIEW, RenditionName.FULL
VIDEO = MediaKind.VIDEO
UPRIGHT = ["red", "green", "blue", "white"]


async def test_a_video_becomes_h264_and_aac_in_mp4(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip"))
    with av.open(path_of(rendered, FULL)) as made:
        assert made.format.name.split(",")[1] == "mp4"
        video, sound = made.streams
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert made.streams.video[0].pix_fmt == "yuv420p"


async def test_it_plays_from_its_first_bytes_on(studio: Studio, tmp_path: Path) -> None:
    content = path_of(await studio.make(VIDEO, clip(tmp_path / "clip")), FULL).read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


async def test_picture_and_sound_last_as_long_as_they_did(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", seconds=2))
    assert rendered.duration_ms == pytest.approx(2000, abs=50)
    with av.open(path_of(rendered, FULL)) as made:
        for stream in made.streams:
            assert stream.duration is not None
            assert stream.time_base is not None
            assert float(stream.duration * stream.time_base) == pytest.approx(2, abs=0.1)


async def test_it_says_nothing_else(studio: Studio, tmp_path: Path) -> None:
    path = clip(tmp_path / "clip", container="mov")
    check_says_nothing(await studio.make(VIDEO, path))


@pytest.mark.parametrize(
    ("container", "codec", "sound", "content_type"),
    [
        ("mp4", "libx264", "aac", "video/mp4"),
        ("mov", "libx264", "aac", "video/quicktime"),
        ("webm", "libvpx", "libopus", "video/webm"),
        ("webm", "libvpx-vp9", "libopus", "video/webm"),
        ("matroska", "libx264", "libmp3lame", "video/x-matroska"),
        ("3gp", "libx264", "aac", "video/3gpp"),
        ("mp4", "mpeg4", "aac", "video/mp4"),
        ("mp4", "libx265", "aac", "video/mp4"),
    ],
)
async def test_every_container_is_read(
    studio: Studio, tmp_path: Path, container: str, codec: str, sound: str, content_type: str
) -> None:
    path = clip(tmp_path / "clip", container=container, codec=codec, sound=sound)
    rendered = await studio.make(VIDEO, path)
    assert rendered.content_type == content_type
    assert corners(_first_frame(rendered)) == UPRIGHT


@pytest.mark.parametrize("rotation", [90, 180, 270])
async def test_it_is_upright(studio: Studio, tmp_path: Path, rotation: int) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", rotation=rotation))
    expected = {
        90: ["green", "white", "red", "blue"],
        180: ["white", "blue", "green", "red"],
        270: ["blue", "red", "white", "green"],
    }[rotation]
    assert corners(_first_frame(rendered)) == expected
    assert corners(shown(rendered)) == expected
    assert (rendered.width, rendered.height) == ((192, 108) if rotation == 180 else (108, 192))


async def test_a_large_one_is_shrunk_to_720_lines(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", (1920, 1080), seconds=0.2))
    assert _first_frame(rendered).size == (1280, 720)
    assert (get(rendered, FULL).width, get(rendered, FULL).height) == (1280, 720)
    assert (rendered.width, rendered.height) == (1920, 1080)


async def test_a_small_one_stays_as_small(studio: Studio, tmp_path: Path) -> None:
    assert _first_frame(await studio.make(VIDEO, clip(tmp_path / "clip"))).size == (192, 108)


@pytest.mark.parametrize("size", [(101, 55), (3, 3), (16, 400)])
async def test_odd_sizes_are_made_even(
    studio: Studio, tmp_path: Path, size: tuple[int, int]
) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", size, seconds=0.2))
    width, height = size
    assert _first_frame(rendered).size == (width // 2 * 2, height // 2 * 2)


async def test_pixels_that_are_not_square_are_made_so(studio: Studio, tmp_path: Path) -> None:
    path = clip(tmp_path / "clip", (160, 120), seconds=0.2, pixel_shape=Fraction(3, 2))
    rendered = await studio.make(VIDEO, path)
    assert _first_frame(rendered).size == (240, 120)
    with av.open(path_of(rendered, FULL)) as made:
        assert made.streams.video[0].sample_aspect_ratio in {None, 1}


async def test_frames_come_at_most_30_times_a_second(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", fps=120))
    assert len(_frames(rendered)) in {30, 31}


async def test_times_of_frames_are_kept(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", fps=25))
    times = [frame.time for frame in _frames(rendered)]
    assert times == pytest.approx([at / 25 for at in range(25)], abs=0.002)


async def test_a_silent_one_stays_silent(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", sound=None))
    with av.open(path_of(rendered, FULL)) as made:
        assert [stream.type for stream in made.streams] == ["video"]


async def test_the_poster_is_its_picture(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(VIDEO, clip(tmp_path / "clip", (1920, 1080), seconds=0.2))
    assert corners(shown(rendered)) == UPRIGHT
    assert shown(rendered).size == (1280, 720)
    assert shown(rendered, THUMBNAIL).size == (320, 180)
    types = [made.content_type for made in rendered.renditions]
    assert types == ["video/mp4", "image/jpeg", "image/webp"]
    assert rendered.placeholder is not None


async def test_10_seconds_of_1080p_stay_within_bounds(studio: Studio, tmp_path: Path) -> None:
    path = clip(tmp_path / "clip", (1920, 1080), seconds=10, fps=10, scene=panned())
    ended = await studio.measure(VIDEO, path)
    assert ended.fault is None
    assert ended.unusable is None
    assert ended.exit.peak_bytes < 300 << 20


# ------------------------------------------------------------------ not a video


async def test_one_that_says_to_be_too_long_is_refused(studio: Studio, tmp_path: Path) -> None:
    path = clip(tmp_path / "clip", seconds=2)
    with pytest.raises(Unusable, match="too long"):
        await studio.make(VIDEO, path, MediaLimits(video_s=1.5))


async def test_one_that_says_nothing_of_its_length_is_stopped(
    studio: Studio, tmp_path: Path
) -> None:
    path = clip(tmp_path / "clip", seconds=2, container="webm", codec="libvpx", sound=None)
    with pytest.raises(Unusable, match="too long"):
        await studio.make(VIDEO, without_length(path), MediaLimits(video_s=1.5))


async def test_too_large_a_picture_is_refused(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="too large"):
        await studio.make(VIDEO, clip(tmp_path / "clip"), MediaLimits(video_pixels=20_000))


async def test_sound_alone_is_no_video(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="not a video"):
        await studio.make(VIDEO, recording(tmp_path / "sound", "mp4", "aac"))


async def test_one_without_its_index_is_refused(studio: Studio, tmp_path: Path) -> None:
    content = clip(tmp_path / "clip").read_bytes()
    with pytest.raises(Unusable, match="damaged"):
        await studio.make(VIDEO, content[: len(content) // 2])


async def test_what_is_left_of_a_broken_one_is_shown(studio: Studio, tmp_path: Path) -> None:
    path = clip(tmp_path / "clip", seconds=2, container="webm", codec="libvpx", sound=None)
    content = path.read_bytes()
    rendered = await studio.make(VIDEO, content[: len(content) * 2 // 3])
    assert 300 < (rendered.duration_ms or 0) < 2000


async def test_an_empty_container_is_refused(studio: Studio) -> None:
    with pytest.raises(Unusable):
        await studio.make(VIDEO, box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"moov"))


def _frames(rendered: Rendered) -> list[VideoFrame]:
    with av.open(path_of(rendered, FULL)) as made:
        return list(made.decode(video=0))


def _first_frame(rendered: Rendered) -> Image.Image:
    picture = _frames(rendered)[0].to_image()  # type: ignore[no-untyped-call]
    assert isinstance(picture, Image.Image)
    return picture
