"""Photos, clips and recordings for tests of media. `CANARY` stands wherever a file says more than
its pixels and sounds.
"""

import io
import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pillow_heif
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageChops, ImageCms, ImageDraw, PngImagePlugin

Size = tuple[int, int]

pillow_heif.register_heif_opener()

CANARY = "canary-7c1e"
SCRIPT = b"<script>alert('canary-7c1e')</script>"
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240)

_GPS, _ORIENTATION, _ARTIST, _MAKE, _SERIAL, _COMMENT = (
    0x8825,
    0x0112,
    0x013B,
    0x010F,
    0xA431,
    0x9286,
)

# ------------------------------------------------------------------ pictures


def quarters(size: Size = (200, 100), mode: str = "RGB") -> Image.Image:
    """Red, green, blue and white, from the upper left on, so that one sees which way is up."""
    picture = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(picture)
    width, height = size
    draw.rectangle((0, 0, width, height // 2), GREEN)
    draw.rectangle((0, height // 2, width // 2, height), BLUE)
    draw.rectangle((0, 0, width // 2, height // 2), RED)
    return picture.convert(mode)


def corners(picture: Image.Image) -> list[str]:
    """Which colours the quarters have, from the upper left on."""
    shown = picture.convert("RGB")
    width, height = shown.size
    places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    return [_name_of(shown.getpixel((int(width * x), int(height * y)))) for x, y in places]


def _name_of(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    return min(
        names, key=lambda name: sum(abs(a - b) for a, b in zip(pixel, names[name], strict=True))
    )


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@cache
def photo(size: Size = (4000, 3000)) -> Image.Image:
    """As rough as a photo: noise at every scale, the finer the fainter, more of it in light than in
    colour, with grain and some edges.
    """
    half = (size[0] // 2, size[1] // 2)
    light = ImageChops.add(_clouds(half, 60, 512), Image.effect_noise(half, 5), 1, -128)
    bands = [light, *(_clouds(half, 18, 64) for _ in range(2))]
    picture = Image.merge("YCbCr", bands).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for at in range(0, size[0], size[0] // 25):
        draw.line((at, 0, size[0] - at, size[1]), (at % 256, 90, 160), 3)
    return picture


def _clouds(size: Size, spread: float, finest: int) -> Image.Image:
    sky = Image.new("L", size, 128)
    share = 4
    while share <= finest:
        fine = (max(2, size[0] * share // 1024), max(2, size[1] * share // 1024))
        noise = Image.effect_noise(fine, spread * share**-0.4)
        sky = ImageChops.add(sky, noise.resize(size, Image.Resampling.BICUBIC), 1, -128)
        share *= 2
    return sky


def telling_exif(orientation: int = 1) -> Image.Exif:
    """Where, by whom and with what."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    exif[_ARTIST] = CANARY
    exif[_MAKE] = f"Camera of {CANARY}"
    exif.get_ifd(_GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    exif.get_ifd(0x8769).update({_SERIAL: f"serial {CANARY}", _COMMENT: CANARY})
    return exif


def many_scans(scans: int = 1500, size: Size = (4000, 3000)) -> bytes:
    """Return a progressive JPEG that goes over its pixels so often more, for 26 bytes each time."""
    content = encoded(Image.new("RGB", size, BLUE), progressive=True)
    last, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    return content[:end] + content[last:end] * scans + content[end:]


def with_thumbnail() -> Image.Exif:
    """EXIF that holds a progressive JPEG of its own, with all of a JPEG's markers."""
    exif = telling_exif()
    exif[_COMMENT] = many_scans(99, (32, 32))
    return exif


XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>{CANARY}</a></x:xmpmeta>'.encode()


@cache
def telling_photo(orientation: int = 6) -> bytes:
    """12 megapixels from a phone, with all that phones say."""
    return encoded(
        photo(),
        quality=92,
        exif=telling_exif(orientation),
        comment=CANARY.encode(),
        xmp=XMP,
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )


def telling(kind: str) -> bytes:
    """Return a small picture of this kind that says more than its pixels."""
    more: dict[str, object] = {"exif": telling_exif().tobytes(), "xmp": XMP}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", CANARY)
        text.add_itxt("Comment", CANARY, zip=True)
        more = {"pnginfo": text, "exif": telling_exif()}
    elif kind == "GIF":
        more = {"comment": CANARY.encode()}
    elif kind == "JPEG":
        more["comment"] = CANARY.encode()
    return encoded(quarters(), kind, **more)


def moving(kind: str, frames: int = 6, size: Size = (60, 40)) -> bytes:
    """Each frame another grey, for 100 ms."""
    pictures = [Image.new("RGB", size, (at * 40 % 256,) * 3) for at in range(frames)]
    first, *others = pictures
    return encoded(first, kind, save_all=True, append_images=others, duration=100, loop=0)


def swapped_profile() -> bytes:
    """sRGB with red and blue the other way round, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))


# ------------------------------------------------------------------ clips and recordings


def clip(
    path: Path,
    size: Size = (192, 108),
    *,
    seconds: float = 1,
    fps: int = 25,
    container: str = "mp4",
    codec: str = "libx264",
    sound: str | None = "aac",
    rotation: int = 0,
    mirrored: tuple[bool, bool] = (False, False),
    pixel_shape: Fraction | None = None,
    scene: Sequence[VideoFrame] = (),
) -> Path:
    """Quarters, or the frames of `scene` over and over, with a tone."""
    with av.open(path, "w", format=container) as made:
        made.metadata.update({"title": CANARY, "location": "+52.5200+013.4050/", "comment": CANARY})
        options = (
            {"preset": "ultrafast"}
            if codec == "libx264"
            else {"deadline": "realtime", "cpu-used": "8"}
        )
        video = made.add_stream(codec, rate=fps, options=options)
        assert isinstance(video, VideoStream)
        video.width, video.height = size
        video.pix_fmt = "yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p"
        if pixel_shape is not None:
            video.codec_context.sample_aspect_ratio = pixel_shape
        if rotation or any(mirrored):
            video.set_display_rotation(rotation, *mirrored)
        tone = _tone_stream(made, sound) if sound else None
        still = VideoFrame.from_image(quarters(size))  # type: ignore[no-untyped-call]
        for at in range(round(seconds * fps)):
            frame = scene[at % len(scene)] if scene else still
            frame.pts, frame.time_base = at, Fraction(1, fps)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
        if tone is not None:
            _write_tone(made, tone, seconds)
    return path


def panned(size: Size = (1920, 1080)) -> list[VideoFrame]:
    """Something going on: a camera that moves over a photo."""
    scene = photo((size[0] * 5 // 4, size[1] * 5 // 4))
    frames = []
    for at in range(20):
        left, top = at * size[0] // 80, at * size[1] // 80
        part = scene.crop((left, top, left + size[0], top + size[1]))
        frame = VideoFrame.from_image(part)  # type: ignore[no-untyped-call]
        frames.append(frame.reformat(format="yuv420p"))
    return frames


def recording(path: Path, container: str, codec: str, *, seconds: float = 1) -> Path:
    """Return a tone, titled."""
    with av.open(path, "w", format=container) as made:
        made.metadata.update({"title": CANARY, "artist": CANARY})
        _write_tone(made, _tone_stream(made, codec), seconds)
    return path


def without_length(path: Path) -> bytes:
    """WebM that does not say how long it is: the element becomes one that means nothing."""
    content = path.read_bytes()
    assert content.count(b"\x44\x89\x88") == 1
    return content.replace(b"\x44\x89\x88", b"\x44\x88\x88")


def _tone_stream(made: OutputContainer, codec: str) -> AudioStream:
    rate = {"amr_nb": 8000, "libopencore_amrnb": 8000}.get(codec, 48_000)
    stream = made.add_stream(codec, rate=rate, layout="mono")
    assert isinstance(stream, AudioStream)
    return stream


def _write_tone(made: OutputContainer, stream: AudioStream, seconds: float) -> None:
    for at in range(round(seconds * 50)):
        samples = [round(9000 * math.sin((at * 960 + n) * 0.06)) for n in range(960)]
        frame = AudioFrame("s16", "mono", 960)
        frame.planes[0].update(struct.pack("<960h", *samples))
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at * 960, Fraction(1, 48_000)
        made.mux(stream.encode(frame))
    made.mux(stream.encode(None))
