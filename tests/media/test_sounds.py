"""Recordings come out as Opus, as long as they were, without what else the file said."""

from pathlib import Path

import av
import pytest

from models.media.media import MediaKind
from models.media.renditions import RenditionName
from tests.media.files import clip, encoded, quarters, recording, without_length
from tests.media.studio import Studio, check_says_nothing, path_of
from workers.media.renditions import MediaLimits, Rendered, Unusable

FULL = RenditionName.FULL
AUDIO = MediaKind.AUDIO


@pytest.mark.parametrize(
    ("container", "codec", "content_type"),
    [
        ("ogg", "libopus", "audio/ogg"),
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("ipod", "aac", "audio/mp4"),
        ("mp4", "aac", "audio/mp4"),
        ("adts", "aac", "audio/aac"),
        ("wav", "pcm_s16le", "audio/wav"),
        ("flac", "flac", "audio/flac"),
        ("webm", "libopus", "audio/webm"),
        ("amr", "libopencore_amrnb", "audio/amr"),
    ],
)
async def test_every_kind_becomes_opus(
    studio: Studio, tmp_path: Path, container: str, codec: str, content_type: str
) -> None:
    rendered = await studio.make(AUDIO, recording(tmp_path / "sound", container, codec))
    assert rendered.content_type == content_type
    assert rendered.duration_ms == pytest.approx(1000, abs=60)
    assert [made.content_type for made in rendered.renditions] == ["audio/ogg"]
    assert _seconds_of(rendered) == pytest.approx(1, abs=0.1)
    check_says_nothing(rendered)


async def test_it_sounds_as_before(studio: Studio, tmp_path: Path) -> None:
    rendered = await studio.make(AUDIO, recording(tmp_path / "sound", "wav", "pcm_s16le"))
    with av.open(path_of(rendered, FULL)) as made:
        loudest = max(_peak(frame) for frame in made.decode(audio=0))
    assert loudest == pytest.approx(9000 / 32768, rel=0.2)


async def test_a_cover_is_left_out(studio: Studio, tmp_path: Path) -> None:
    content = _id3(encoded(quarters())) + _mp3(tmp_path)
    rendered = await studio.make(AUDIO, content)
    with av.open(path_of(rendered, FULL)) as made:
        assert [stream.type for stream in made.streams] == ["audio"]
    check_says_nothing(rendered)


async def test_a_video_is_no_recording(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="not a sound"):
        await studio.make(AUDIO, clip(tmp_path / "clip"))


async def test_a_recording_that_is_too_long_is_refused(studio: Studio, tmp_path: Path) -> None:
    path = recording(tmp_path / "sound", "ogg", "libopus", seconds=2)
    with pytest.raises(Unusable, match="too long"):
        await studio.make(AUDIO, path, MediaLimits(sound_s=1))


async def test_one_that_hides_its_length_is_stopped(studio: Studio, tmp_path: Path) -> None:
    path = recording(tmp_path / "sound", "webm", "libopus", seconds=2)
    with pytest.raises(Unusable, match="too long"):
        await studio.make(AUDIO, without_length(path), MediaLimits(sound_s=1))


async def test_what_is_left_of_a_broken_one_is_played(studio: Studio, tmp_path: Path) -> None:
    content = recording(tmp_path / "sound", "ogg", "libopus", seconds=3).read_bytes()
    rendered = await studio.make(AUDIO, content[: len(content) // 2])
    assert 300 < (rendered.duration_ms or 0) < 3000


async def test_noise_after_a_good_name_is_refused(studio: Studio) -> None:
    with pytest.raises(Unusable, match="damaged"):
        await studio.make(AUDIO, b"OggS\0" + bytes(range(256)) * 40)


def _seconds_of(rendered: Rendered) -> float:
    with av.open(path_of(rendered, FULL)) as made:
        return (made.duration or 0) / 1_000_000


def _peak(frame: av.AudioFrame) -> float:
    samples = memoryview(bytes(frame.planes[0])).cast("f")
    return max(samples[: frame.samples])


def _mp3(folder: Path) -> bytes:
    content = recording(folder / "sound", "mp3", "libmp3lame").read_bytes()
    # Behind its own tag, whose length is in seven bits a byte.
    length = sum(part << shift for part, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))
    return content[10 + length :]


def _id3(picture: bytes) -> bytes:
    cover = b"\0image/jpeg\0\x03\0" + picture
    frame = b"APIC" + len(cover).to_bytes(4, "big") + b"\0\0" + cover
    size = len(frame)
    return b"ID3\x03\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + frame
