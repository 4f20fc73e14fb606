"""What both sides of the sandbox know: the limits, the result of rendering, and the reasons why a
file cannot be used.
"""

import os

import msgspec

from models.media.renditions import Rendition, RenditionName
from workers.media.rendition_sizes import RenditionSizes

MIB = 1024 * 1024

# What the person who sent it is told.
EMPTY = "The file is empty."
DAMAGED = "The file is damaged, or of a kind that cannot be shown."
NOT_A_PICTURE = "The file is not a picture."
NOT_A_VIDEO = "The file is not a video."
NOT_A_SOUND = "The file is not a sound recording."
TOO_MANY_PIXELS = "The picture is too large."
TOO_LONG = "The recording is too long."
FRAME_TOO_LARGE = "The video's picture is too large."
TOO_MUCH = "The file takes too much work to read."


class MediaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one file, in bytes and pixels, and the sizes of its renditions."""

    sizes: RenditionSizes = RenditionSizes()

    # Pictures
    picture_pixels: int = 50_000_000
    picture_scans: int = 100  # of a progressive JPEG, as browsers have it
    scanned_pixels: int = 2_000_000_000  # pixels times scans
    animation_frames: int = 300  # more are thinned out
    animation_pixels: int = 400_000_000  # over all frames that are looked at; the rest is left out
    profile_bytes: int = 2 * MIB  # a longer colour profile is not applied

    # Video and sound
    video_s: float = 900
    video_pixels: int = 9_500_000  # of one frame
    sound_s: float = 4 * 3600
    sound_least_hz: int = 4000  # below, a few bytes make hours
    sound_free_s: float = 60  # so much of a sound may come from no bytes at all
    sound_bytes_per_s: int = 25  # beyond that; silence in FLAC or Opus has about 35

    # The child
    child_memory_bytes: int = 512 * MIB  # besides what its program has
    child_file_bytes: int = 1024 * MIB
    child_cpu_s: int = 900
    child_deadline_s: float = 1800
    quick_cpu_s: int = 3  # of a picture, voice message or small document; then the long lane
    picture_cpu_s: int = 40
    picture_deadline_s: float = 120
    codec_threads: int = 2


class Unusable(Exception):
    """The file cannot be rendered. `reason` is a sentence for the person who sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Rendered(msgspec.Struct, frozen=True):
    """What a file is by its content, and what was made of it: the keys of its renditions are names
    in the folder. `width` and `height` are those of the upright picture; `placeholder` is a
    ThumbHash, base64.
    """

    content_type: str
    renditions: list[Rendition]
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    placeholder: str | None = None


class RenderOrder(msgspec.Struct, frozen=True):
    """Tell a child how to render the file that it is given; `kind` names a `MediaKind`."""

    kind: str
    limits: MediaLimits


def file_name(name: RenditionName, content_type: str) -> str:
    """Return the name of a rendition's file, in the folder and in storage."""
    return f"{name.name.lower()}.{ENDINGS[content_type]}"


def rendition_of(
    name: RenditionName, content_type: str, width: int | None = None, height: int | None = None
) -> Rendition:
    """Return the rendition that was written as `file_name` in the present folder.

    Raises:
        OSError: there is no such file.
    """
    path = file_name(name, content_type)
    return Rendition(name, path, content_type, os.path.getsize(path), width, height)


# The types that renditions can have.
ENDINGS = {
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "audio/ogg": "ogg",
}
